"""A whole federation of real processes, for tests that kill parts of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from bus.errors import Unavailable
from bus.events import Event
from bus.events.base import ExperimentId
from bus.events.experiments import ExperimentCompleted
from bus.wire.record import Record
from muster.client import Client, connect
from muster.federation.create import create
from muster.federation.layout import Layout
from muster.federation.store import Store
from muster.federation.supervisor import Supervisor, running
from muster.ingest import ingest_files
from muster.submission.submit import read_draft, resolve, submit
from muster.telling.follow import View, follow
from support.disk import MIB, SmallDisk, small_disk
from support.jobs import LOGISTIC
from support.proxy import Proxy, proxied

EDGES = ("hospital-a", "hospital-b", "hospital-c")
PLAN = """
name: test
model: model.py
data: {dataset: cancer}
seed: 11
cycles: 2
training: {epochs: 3}
"""


@dataclass(frozen=True)
class Ran:
    """How an experiment went: the final model's digest, and how often what was said by whom."""

    digest: str
    events: Counter[tuple[str, str, str]]


Tell = Callable[[View, Record | None], None]
Disturb = Callable[[], Awaitable[None]]


async def _in_peace() -> None:
    """Disturb nothing."""


@dataclass
class Town:
    """A running federation with data; each edge has a line of its own to the server.

    Attributes:
        layout: Where it is.
        plan: The vendor's file.
        restarts: Who was started again, in order.
        lines: Edge -> its line to the server.
        supervisor: Keeps it running, unless somebody else does.
        disks: Edge or ``nats-server`` -> the file system that it alone writes to, where it was asked for.
    """

    layout: Layout
    plan: Path
    restarts: list[str]
    lines: dict[str, Proxy]
    supervisor: Supervisor | None = field(default=None, init=False)
    disks: dict[str, SmallDisk] = field(default_factory=dict, init=False)

    def pid(self, name: str) -> int:
        return int(json.loads(self.layout.processes.read_text())[name])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid(name), number)

    async def submit(self, plan: str | None = None) -> str:
        async with connect(self.layout) as client:
            return await self._submit(client, plan)

    async def _submit(self, client: Client, plan: str | None = None) -> str:
        if plan is not None:
            self.plan.write_text(plan)
        draft = await asyncio.to_thread(read_draft, self.plan)
        data, holders = resolve(draft, await client.datasets())
        return await submit(client, draft, data, holders)

    async def run(
        self, tell: Tell = lambda _view, _record: None, *, disturb: Disturb = _in_peace, timeout_s: float = 180.0
    ) -> Ran:
        """One experiment from submission to end.

        Args:
            tell: Told of every event as it is said.
            disturb: Runs from the first event on, and is cancelled after the last.
            timeout_s: How long the experiment may take.
        """
        begun = asyncio.Event()

        def told(view: View, record: Record | None) -> None:
            begun.set()
            tell(view, record)

        async def disturbing() -> None:
            await begun.wait()
            await disturb()

        async with asyncio.timeout(timeout_s), connect(self.layout) as client:
            identity = await self._submit(client)
            task = asyncio.create_task(disturbing())
            try:
                await follow(client, ExperimentId(identity), told)
            finally:
                task.cancel()
                (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome
        return await self._ran(identity)

    async def _ran(self, identity: str) -> Ran:
        """What an experiment that is over came to, once the server answers."""
        async with asyncio.timeout(60):
            while True:
                try:
                    async with connect(self.layout) as client:
                        records = [r async for r in client.history(await client.experiment(identity))]
                        break
                except Unavailable:
                    await asyncio.sleep(0.2)
        end = records[-1].body
        assert isinstance(end, ExperimentCompleted), end
        return Ran(end.model.digest, Counter(_said(record, identity) for record in records))

    async def settled(self) -> None:
        """Wait until the server takes connections and stores messages again."""
        assert self.supervisor is not None
        async with asyncio.timeout(60):
            while True:
                try:
                    async with connect(self.layout):
                        if await self.supervisor.trouble() is None:
                            return
                except Unavailable:
                    pass
                await asyncio.sleep(0.2)


def _said(record: Record, experiment: str) -> tuple[str, str, str]:
    body = record.body
    assert isinstance(body, Event)
    return record.actor, body.TYPE, (body.key or "").replace(experiment, "")


def write_rows(folder: Path, edge: str, rows: int) -> dict[str, Path]:
    """CSV files of one hospital; the same each time."""
    random = np.random.default_rng(sum(edge.encode()))
    files = {}
    for split, count in (("train", rows), ("test", rows // 2)):
        path = folder / f"{edge}-{split}.csv"
        lines = ["f0,f1,y"]
        for row in range(count):
            f0, f1 = random.normal(size=2) + 1.5 * (row % 2)
            lines.append(f"{float(f0)!r},{float(f1)!r},{('no', 'yes')[row % 2]}")
        path.write_text("\n".join(lines) + "\n")
        files[split] = path
    return files


@asynccontextmanager
async def federation(
    folder: Path,
    *,
    lease_s: float = 3.0,
    disks: tuple[str, ...] = (),
    disk_bytes: int = 64 * MIB,
    store: Store | None = None,
) -> AsyncIterator[Town]:
    """Three hospitals with 40, 60 and 80 rows.

    Args:
        folder: Where everything is.
        lease_s: How long a silent process counts as alive.
        disks: Edges, or ``nats-server``, that get a small file system of their own.
        disk_bytes: Its size.
        store: An S3-compatible store for large models.
    """
    restarts: list[str] = []
    layout = create(folder / "federation", edges=EDGES, vendors=("acme",), lease_s=lease_s, store=store)
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "model.py").write_text(LOGISTIC)
    async with AsyncExitStack() as stack:
        small = {}
        for name in disks:
            place = layout.nats if name == "nats-server" else layout.data(name)
            small[name] = stack.enter_context(small_disk(place, disk_bytes))
        lines = {edge: await stack.enter_async_context(proxied(layout.read().port)) for edge in EDGES}
        for edge, line in lines.items():
            settings = yaml.safe_load(layout.settings(edge).read_text())
            settings["server_url"] = f"nats://127.0.0.1:{line.port}"
            layout.settings(edge).write_text(yaml.safe_dump(settings))
        supervisor = await stack.enter_async_context(
            running(layout, on_restart=lambda name, _status: restarts.append(name))
        )
        for edge, rows in zip(EDGES, (40, 60, 80), strict=True):
            files = write_rows(folder, edge, rows)
            await ingest_files(
                layout, edge, dataset="cancer", category="tabular_classification", target="y", files=files
            )
        town = Town(layout, folder / "plan.yaml", restarts, lines)
        town.supervisor, town.disks = supervisor, small
        yield town
