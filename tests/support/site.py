"""One hospital's site in a test: a data store with rows, and an edge daemon on any broker."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bus.events import Event
from bus.events.base import DatasetId, ExperimentId, OwnerId
from bus.events.cycles import Cycle, CycleKind, RunCycle, UpdateFailed, UpdateSealed
from bus.events.experiments import Limits, TaskData
from bus.events.weights import SealedObject
from bus.identity.directory import Directory
from bus.memory import MemoryBroker
from bus.ports import Broker
from bus.runtime.listening import ignore, verified
from bus.runtime.service import Context
from bus.runtime.voice import Voice
from bus.weights import incoming, outgoing
from bus.wire import topology
from bus.wire.record import Record
from bus.wire.subjects import weights_address
from edge_daemon import service
from edge_daemon.settings import EdgeSettings
from ingest.config import make_config
from ingest.run import ingest
from support import people
from support.jobs import LOGISTIC
from training.plan import Training

EDGE = "hospital-a"
ACME = OwnerId("acme")
X = ExperimentId("01X")
DATA = TaskData(
    category="tabular_classification",
    dataset=DatasetId("cancer"),
    features=("f0", "f1"),
    target="y",
    classes=("no", "yes"),
)
LIMITS = Limits(memory_bytes=2 * 1024**3, cpu_s=60, wall_s=60, disk_bytes=64 * 1024**2, processes=64)


async def fill_store(folder: Path, *, shift: float = 0.0) -> str:
    """A store with 60 rows to train and 30 to test on; returns its URL."""
    random = np.random.default_rng(3)
    url = f"sqlite+aiosqlite:///{folder / 'store.sqlite'}"
    for split, rows in (("train", 60), ("test", 30)):
        path = folder / f"{split}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["f0", "f1", "note", "y"])
            for row in range(rows):
                label = row % 2
                values = random.normal(size=2) + 2.0 * label + shift
                writer.writerow([*map(repr, map(float, values)), f"patient {row}", ("no", "yes")[label]])
    settings = {"dataset": "cancer", "category": DATA.category, "target": "y", "store": url}
    schema = {"f0": "DOUBLE", "f1": "DOUBLE", "note": "VARCHAR(40)", "y": "VARCHAR(3) NOT NULL"}
    files = {split: folder / f"{split}.csv" for split in ("train", "test")}
    await ingest(make_config({**settings, **files, "schema": schema}))
    return url


@dataclass
class Site:
    """An edge daemon's surroundings on the memory bus.

    Attributes:
        broker: The bus.
        folder: What the edge keeps.
        settings: Of the edge.
    """

    folder: Path
    settings: EdgeSettings
    broker: Any = field(default_factory=MemoryBroker)

    @classmethod
    async def made(cls, folder: Path, broker: Broker | None = None, **settings: Any) -> Site:
        """A site; ``broker`` is a real one on which the edge's commands wait, else it is a memory bus."""
        url = await fill_store(folder)
        site = cls(
            folder,
            EdgeSettings(
                server_url="memory", identity=folder, anchor=folder, data=folder / "edge", store_url=url, **settings
            ),
            broker or MemoryBroker(),
        )
        if isinstance(site.broker, MemoryBroker):
            site.broker.provide(topology.commands_of(EDGE))
        operator = site.voice("operator")
        for name in people.ROLES:
            if name != "operator":
                await operator.say(people.registration(name))
        (folder / "edge").mkdir(exist_ok=True)
        return site

    def voice(self, name: str) -> Voice:
        return Voice(self.broker, people.identity(name))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The edge daemon, for as long as the block runs."""
        stop = asyncio.Event()
        context = Context(
            self.settings,
            self.broker,
            Voice(self.broker, people.identity(EDGE)),
            people.anchor(),
            Directory(people.anchor()),
            stop,
        )
        tasks = await service.build(context)
        running = asyncio.gather(*(task() for task in tasks.values()))
        try:
            yield
        finally:
            stop.set()
            await running

    async def code(self, source: str | bytes = LOGISTIC, name: str = "code") -> SealedObject:
        path = self.folder / f"{name}.py"
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        address = weights_address("acme", "acme", X, name)
        recipients = {EDGE: people.directory()[EDGE].sealing}  # type: ignore[index]
        return await outgoing.upload_file(self.broker.blobs(), path, address, people.identity("acme"), recipients)

    async def order(self, kind: CycleKind, number: int = 0, **changes: Any) -> RunCycle:
        """Tell the edge to take part in a cycle."""
        command = RunCycle(
            edge=EDGE,
            experiment=X,
            cycle=Cycle(number=number, kind=kind),
            trial=1,
            owner="acme",
            deadline=datetime.now(UTC) + timedelta(minutes=5),
            framework="sklearn",
            data=DATA,
            seed=5,
            training=Training(epochs=3).canonical,
            limits=LIMITS,
            code=changes.pop("code", None) or await self.code(),
        ).model_copy(update=changes)
        await self.voice("coordinator").order(command)
        return command

    async def model_of(self, record: Record) -> SealedObject:
        """What an update holds, sealed again for the edge, as the aggregator does."""
        body = record.body
        assert isinstance(body, UpdateSealed)
        assert body.weights is not None
        path = self.folder / f"again-{body.cycle}.safetensors"
        aggregator = people.identity("aggregator")
        await incoming.download_file(self.broker.blobs(), body.weights, aggregator, path)
        address = weights_address("acme", "aggregator", X, f"model-{body.cycle}-1")
        recipients = {name: people.directory()[name].sealing for name in (EDGE, "aggregator")}  # type: ignore[index]
        return await outgoing.upload_file(
            self.broker.blobs(), path, address, aggregator, recipients, layout=body.weights.layout
        )

    async def answers(self, count: int) -> list[Record]:
        """The edge's first answers."""
        found: list[Record] = []
        async with asyncio.timeout(60):
            async for record in verified(
                self.broker, people.directory(), "ev.acme.update.>", reject=ignore, follow=True
            ):
                found.append(record)
                if len(found) == count:
                    return found
        raise AssertionError

    async def answer(self, number: int = 1) -> Event:
        """The edge's answer with this number."""
        body = (await self.answers(number))[-1].body
        assert isinstance(body, UpdateSealed | UpdateFailed)
        return body
