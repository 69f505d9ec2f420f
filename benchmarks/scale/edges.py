"""A process with many edges: ``python -m benchmarks.scale.edges FEDERATION FIRST LAST PARAMETERS``.

Each edge is a principal of its own with its own keys, connections, lease, consumer and permissions, and runs the edge
daemon's code, but for three things: its job store is in memory, its worker adds a number to the weights that it
received, and what the operator said of principals is read once per process instead of once per edge.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from benchmarks.town.names import DATASET, name_of
from bus.events.base import DatasetId, Digest, ExperimentId, PrincipalId
from bus.events.cycles import CycleKind
from bus.events.datasets import Column, ColumnKind, DatasetRegistered, Split
from bus.events.weights import Resources
from bus.identity.directory import Directory, Principal
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker
from bus.ports import BlobStore
from bus.runtime import logs
from bus.runtime.listening import Work, learn_principals
from bus.runtime.service import Context, hold_lease, run_tasks
from bus.runtime.voice import Voice
from bus.weights import incoming
from bus.wire import topology
from bus.wire.record import Record
from edge_daemon.domain.jobs import Job, Outcome, State, failed
from edge_daemon.edge import Edge
from edge_daemon.enrolment import enrolment
from edge_daemon.outbox import Outbox
from edge_daemon.settings import EdgeSettings
from edge_daemon.store import JobStore
from edge_daemon.workshop import Workshop
from muster.federation.layout import Layout
from training.errors import TrainingError
from training.registry import default_registry
from training.worker.sandbox import Isolation

_ROWS: Final = 100
_NOTHING: Final = Resources(wall_s=0, cpu_s=0, peak_memory_bytes=0)
_ENVIRONMENT: Final = Digest("sha256:" + "0" * 64)
_STARTS_AT_ONCE: Final = 16
_FILES: Final = 16_384
"""File descriptors that a process may need: two connections per edge."""


def dataset(edge: str) -> DatasetRegistered:
    """What an edge says about the data that it would hold."""
    columns = (("f0", ColumnKind.REAL), ("f1", ColumnKind.REAL), ("y", ColumnKind.TEXT))
    split = Split(rows=_ROWS, classes={"no": _ROWS // 2, "yes": _ROWS // 2})
    return DatasetRegistered(
        dataset=DatasetId(DATASET),
        edge=PrincipalId(edge),
        revision=1,
        category="tabular_classification",
        target="y",
        columns=tuple(Column(name=name, kind=kind, sql_type="DOUBLE") for name, kind in columns),
        splits={"train": split, "test": split},
        digest=_ENVIRONMENT,
    )


class Jobs:
    """A job store in memory, with the methods of ``edge_daemon.store.JobStore`` that an edge uses."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    async def accept(self, record: Record) -> None:
        """Note a command."""
        self._jobs.setdefault(record.id, Job(record, State.ACCEPTED))

    async def open(self) -> list[Job]:
        """Jobs that are not over."""
        return list(self._jobs.values())

    async def of(self, experiment: str) -> list[Job]:
        """Jobs about one experiment that are not over."""
        return [job for job in self._jobs.values() if job.command.experiment == experiment]

    async def move(self, identity: str, state: State, outcome: Outcome | None = None) -> None:
        """Note where a job stands; what is over is forgotten."""
        job = self._jobs.pop(identity, None)
        if job is not None and not state.over:
            self._jobs[identity] = Job(job.record, state, outcome or job.outcome)


@dataclass(frozen=True)
class Bench:
    """A workshop without a worker, with the methods of ``edge_daemon.workshop.Workshop`` that an edge uses."""

    identity: Identity
    blobs: BlobStore
    folder: Path
    parameters: int

    def weights(self, job: Job) -> Path:
        """Where a job's weights lie."""
        return self.folder / f"{job.id}.safetensors"

    async def forget(self, job: Job) -> None:
        """Remove them."""
        self.weights(job).unlink(missing_ok=True)

    def keep(self, job: Job) -> None:
        """Its workers keep nothing from cycle to cycle."""

    def settle(self, job: Job) -> None:
        """As ``keep``."""

    def leave(self, experiment: ExperimentId) -> None:
        """As ``keep``."""

    def refuse(self, error: TrainingError) -> Outcome:
        """The outcome of a job that is not begun."""
        return failed(error, _NOTHING, _ENVIRONMENT, self.identity.principal)

    async def do(self, job: Job, _tell: Callable[[Any], Awaitable[None]]) -> Outcome:
        """Fetch what a worker would need, and write what it would write."""
        command, path = job.command, self.weights(job)
        await incoming.download_file(self.blobs, command.code, self.identity, path)
        received = np.zeros(0, np.float32)
        if command.model is not None:
            await incoming.download_file(self.blobs, command.model, self.identity, path)
            received = load_file(path).get("w", received)
        done = Outcome(resources=_NOTHING, environment=_ENVIRONMENT, examples=_ROWS)
        if command.cycle.kind is CycleKind.EVALUATE:
            return done
        tensors, reduction = self._learned(command.cycle.kind, received)
        save_file(tensors, path, {"muster": json.dumps({"reductions": dict.fromkeys(tensors, reduction)})})
        return done.model_copy(update={"has_weights": True})

    def _learned(self, kind: CycleKind, received: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], str]:
        if kind is CycleKind.STATISTICS:
            return {"sum": np.full(3, _ROWS, np.float64)}, "sum"
        if kind is CycleKind.INITIALISE:
            return {"w": np.zeros(self.parameters, np.float32)}, "mean"
        return {"w": received + np.float32(sum(self.identity.principal.encode()) % 7 + 1)}, "mean"


@dataclass
class Group:
    """The edges of one process."""

    layout: Layout
    parameters: int
    directory: Directory
    gate: asyncio.Semaphore
    stop: asyncio.Event

    async def live(self, name: str) -> None:
        """One edge: enrol, announce the data, hold the lease, do what is told."""
        identity = Identity.load(self.layout.identity(name))
        settings = self._settings(name)
        settings.data.mkdir(parents=True, exist_ok=True)
        endpoint = Endpoint(settings.server_url, name, identity.nkey_seed)
        async with AsyncExitStack() as stack:
            async with self.gate:
                broker = await stack.enter_async_context(JetStreamBroker.connect(endpoint, patient=True))
                voice = Voice(broker, identity)
                await voice.say(enrolment(identity.principal, default_registry(), Isolation.NONE))
                await voice.say(dataset(name))
            await self._serve(broker, voice, settings)

    async def _serve(self, broker: JetStreamBroker, voice: Voice, settings: EdgeSettings) -> None:
        anchor = Principal.load(settings.anchor)
        context = Context(settings, broker, voice, anchor, self.directory, self.stop)
        bench = Bench(voice.identity, broker.blobs(), settings.data, self.parameters)
        outbox = Outbox(context, self.directory)
        edge = Edge(context, cast("JobStore", Jobs()), cast("Workshop", bench), outbox)
        consumer = topology.commands_of(voice.identity.principal)
        work = Work(broker, consumer, self.directory, voice, edge.handle)
        await run_tasks(
            {
                "commands": lambda: work.run(self.stop),
                "jobs": edge.run,
                "lease": lambda: hold_lease(voice, settings.lease_s, self.stop),
            },
            self.stop,
        )

    def _settings(self, name: str) -> EdgeSettings:
        return EdgeSettings.load(self.layout.settings(name))


async def main(folder: Path, first: int, last: int, parameters: int) -> None:
    """Be the edges from ``first`` up to ``last``, without it."""
    layout = Layout(folder)
    names = [name_of(number) for number in range(first, last)]
    identity = Identity.load(layout.identity(names[0]))
    async with JetStreamBroker.connect(Endpoint(layout.read().url, names[0], identity.nkey_seed)) as broker:
        directory = await learn_principals(broker, Principal.load(layout.anchor))
    group = Group(layout, parameters, directory, asyncio.Semaphore(_STARTS_AT_ONCE), asyncio.Event())
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(group.live(name))


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, most), most))
    logs.configure("info")
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
