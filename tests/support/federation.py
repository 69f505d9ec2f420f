"""A whole federation of real processes, for tests that kill parts of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from bus.events import Event
from bus.events.experiments import ExperimentCompleted
from bus.wire.record import Record
from muster.client import connect
from muster.federation.create import create
from muster.federation.layout import Layout
from muster.federation.supervisor import running
from muster.follow import View, follow
from muster.ingest import ingest_files
from muster.submit import read_draft, resolve, submit
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


@dataclass
class Town:
    """A running federation with data; each edge has a line of its own to the server."""

    layout: Layout
    plan: Path
    restarts: list[str]
    lines: dict[str, Proxy]

    def pid(self, name: str) -> int:
        return int(json.loads(self.layout.processes.read_text())[name])

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    async def submit(self, plan: str | None = None) -> str:
        if plan is not None:
            self.plan.write_text(plan)
        draft = await asyncio.to_thread(read_draft, self.plan)
        async with connect(self.layout) as client:
            data, holders = resolve(draft, await client.datasets())
            return await submit(client, draft, data, holders)

    async def run(self, tell: Callable[[View, Record | None], None] = lambda _view, _record: None) -> Ran:
        """One experiment from submission to end."""
        identity = await self.submit()
        async with asyncio.timeout(120), connect(self.layout) as client:
            view = await follow(client, identity, tell)
            records = [record async for record in client.history(view.experiment)]
        end = records[-1].body
        assert isinstance(end, ExperimentCompleted), end
        return Ran(end.model.digest, Counter(_said(record, identity) for record in records))


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
async def federation(folder: Path, *, lease_s: float = 3.0) -> AsyncIterator[Town]:
    """Three hospitals with 40, 60 and 80 rows."""
    restarts: list[str] = []
    layout = create(folder / "federation", edges=EDGES, vendors=("acme",), lease_s=lease_s)
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "model.py").write_text(LOGISTIC)
    async with AsyncExitStack() as stack:
        lines = {edge: await stack.enter_async_context(proxied(layout.read().port)) for edge in EDGES}
        for edge, line in lines.items():
            settings = yaml.safe_load(layout.settings(edge).read_text())
            settings["server_url"] = f"nats://127.0.0.1:{line.port}"
            layout.settings(edge).write_text(yaml.safe_dump(settings))
        await stack.enter_async_context(running(layout, on_restart=lambda name, _status: restarts.append(name)))
        for edge, rows in zip(EDGES, (40, 60, 80), strict=True):
            files = write_rows(folder, edge, rows)
            await ingest_files(
                layout, edge, dataset="cancer", category="tabular_classification", target="y", files=files
            )
        yield Town(layout, folder / "plan.yaml", restarts, lines)
