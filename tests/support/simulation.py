"""A whole federation in one process and in virtual time: real deciders, services and edges over bad lines.

Only three things are not real: the broker is the memory adapter, an edge's disk is an object that outlives its process,
and a worker is a wait that adds a number to what it received.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import load_file, save_file

from bus.errors import MusterError
from bus.events import Event
from bus.events.base import Digest, ExperimentId, OwnerId
from bus.events.cycles import CycleKind
from bus.events.experiments import ExperimentCompleted, ExperimentFailed, Failure
from bus.events.governance import VendorAllowed
from bus.events.weights import Resources, Score
from bus.identity.directory import Directory
from bus.memory import MemoryBroker
from bus.runtime.listening import Work, learn_principals
from bus.runtime.service import Context, hold_lease, run_tasks
from bus.runtime.settings import ServiceSettings
from bus.runtime.voice import Voice
from bus.weights import incoming
from bus.wire import topology
from bus.wire.record import Record
from bus.wire.topology import StreamName
from edge_daemon.domain.jobs import Job, Outcome, State
from edge_daemon.edge import Edge
from edge_daemon.outbox import Outbox
from muster.telling.story import told
from support import people
from support.chaos import CALM, ChaosBroker, Line, Weather
from support.spine import SERVICES, SETTINGS, introduce
from support.story import EDGES, X, submission
from support.virtual import run

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE_S = 30.0
ROWS = {"hospital-a": 10, "hospital-b": 30, "hospital-c": 60}
AIM = 15.0
"""What makes the best model: two cycles lead to 13.1, three to 19.7."""
_RESTART_S = (0.5, 60.0)
T = TypeVar("T")


@dataclass(frozen=True)
class VirtualClock:
    """Tells the loop's time, or one that is so many seconds ahead of it."""

    ahead_s: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time() + self.ahead_s)


@dataclass
class Disk:
    """What an edge keeps through a crash: jobs, in order, and files."""

    folder: Path
    jobs: dict[str, Job] = field(default_factory=dict)
    line: Line | None = None

    async def accept(self, record: Record) -> None:
        await self._point("before storing a command")
        self.jobs.setdefault(record.id, Job(record, State.ACCEPTED))
        await self._point("after storing a command")

    async def open(self) -> list[Job]:
        return sorted((j for j in self.jobs.values() if not j.state.over), key=lambda j: j.record.sequence)

    async def of(self, experiment: str) -> list[Job]:
        return [job for job in await self.open() if job.command.experiment == experiment]

    async def move(self, identity: str, state: State, outcome: Outcome | None = None) -> None:
        await self._point(f"before a job is {state}")
        job = self.jobs[identity]
        if not job.state.over:
            self.jobs[identity] = Job(job.record, state, outcome or job.outcome)
        await self._point(f"after a job is {state}")

    async def _point(self, what: str) -> None:
        if self.line is not None:
            await self.line.point(what)


@dataclass(frozen=True)
class Bench:
    """A workshop whose workers take their time and add a number."""

    name: str
    disk: Disk
    broker: ChaosBroker
    chance: random.Random
    flaky: float

    def weights(self, job: Job) -> Path:
        return self.disk.folder / f"{self.name}-{job.id}.safetensors"

    async def forget(self, job: Job) -> None:
        self.weights(job).unlink(missing_ok=True)

    def keep(self, job: Job) -> None:
        """Its workers keep nothing from cycle to cycle."""

    def settle(self, job: Job) -> None:
        """As ``keep``."""

    def leave(self, experiment: ExperimentId) -> None:
        """As ``keep``."""

    def refuse(self, error: Any) -> Outcome:
        failure = Failure(category=error.category.value, code=error.code, message=error.message, edge=self.name)
        return _outcome(failure=failure, retryable=True)

    async def do(self, job: Job, tell: Callable[[Any], Awaitable[None]]) -> Outcome:
        command, path = job.command, self.weights(job)
        received = np.zeros(0)
        if command.model is not None:
            await incoming.download_file(self.broker.blobs(), command.model, people.identity(self.name), path)
            received = load_file(path).get("w", received)
        await self.broker.line.point("before the worker")
        await asyncio.sleep(self.chance.uniform(1.0, 60.0))
        await self.broker.line.point("after the worker")
        if self.chance.random() < self.flaky:
            failure = Failure(category="infra", code="sim.flaky", message="bad luck", edge=self.name)
            return _outcome(failure=failure, retryable=True)
        scores = (self._judged(received),) if command.with_validation or command.cycle.kind is CycleKind.TRAIN else ()
        if command.cycle.kind is CycleKind.EVALUATE:
            return _outcome(examples=ROWS[self.name], scores=scores)
        tensors, reductions = self._learned(command.cycle.kind, received, command.rate_factor)
        save_file(tensors, path, {"muster": json.dumps({"reductions": reductions})})
        return _outcome(examples=ROWS[self.name], has_weights=True, scores=scores)

    def _judged(self, received: np.ndarray) -> Score:
        """A model is as good as it is near to what its workers, who know no better, step over."""
        value = float(np.abs(received - AIM).mean())
        return Score(name="log_loss", split="validation", stage="received", value=value, count=ROWS[self.name])

    def _learned(
        self, kind: CycleKind, received: np.ndarray, factor: float
    ) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        if kind is CycleKind.STATISTICS:
            return {"sum": np.full(3, ROWS[self.name], np.float64)}, {"sum": "sum"}
        if kind is CycleKind.INITIALISE:
            return {"w": np.zeros(5, np.float32)}, {"w": "mean"}
        return {"w": received + np.float32(ROWS[self.name] / 7 * factor)}, {"w": "mean"}


def _outcome(**changes: Any) -> Outcome:
    resources = Resources(wall_s=1, cpu_s=1, peak_memory_bytes=1)
    return Outcome(resources=resources, environment=Digest("sha256:sim"), **changes)


@dataclass
class Simulation:
    """One run.

    Attributes:
        seed: Decides everything.
        folder: For the edges' files.
        weather: Of all lines.
        flaky: Share of jobs that fail for no reason.
        tell_puts: Whether uploads are noted in the trace.
        crash: Which process dies at which of its boundaries, once.
        ahead_s: Whose clock is how many seconds ahead of the broker's.
        trace: What chance did, in order.
    """

    seed: int
    folder: Path
    weather: Weather = CALM
    flaky: float = 0.0
    tell_puts: bool = False
    crash: tuple[str, int] | None = None
    ahead_s: Mapping[str, float] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.broker = MemoryBroker(VirtualClock().now)
        self.lines: dict[str, Line] = {}
        self.disks = {name: Disk(self.folder) for name in EDGES}
        self._processes: dict[str, asyncio.Task[None]] = {}
        self._killings: list[asyncio.Future[None]] = []

    def note(self, text: str) -> None:
        self.trace.append(f"{asyncio.get_running_loop().time():10.3f}  {text}")

    def start(self, name: str, principal: str | None = None) -> None:
        """Start a process and keep it alive; ``principal`` is whom it is an instance of."""
        self._processes[name] = asyncio.create_task(self._kept(name, principal or name))

    def _line(self, name: str) -> Line:
        line = Line(self.weather, self.chance, lambda text: self.note(f"{name}: {text}"), tell_puts=self.tell_puts)
        if self.crash is not None and self.crash[0] == name:
            line.crash_at, self.crash = self.crash[1], None
            line.on_crash = lambda: self._killings.append(asyncio.ensure_future(self.kill(name)))
        return line

    async def _kept(self, name: str, principal: str) -> None:
        while True:
            self.lines[name] = self._line(name)
            stop = asyncio.Event()
            try:
                await run_tasks(await self._tasks(principal, ChaosBroker(self.broker, self.lines[name]), stop), stop)
            except MusterError as error:
                self.note(f"{name} ended: {error}")
            except asyncio.CancelledError:
                self.lines[name].dead = True
                raise
            await asyncio.sleep(1.0)

    async def _tasks(
        self, principal: str, broker: ChaosBroker, stop: asyncio.Event
    ) -> dict[str, Callable[[], Awaitable[None]]]:
        voice = Voice(broker, people.identity(principal), VirtualClock(self.ahead_s.get(principal, 0.0)))
        kind, data = SETTINGS.get(principal, ServiceSettings), self.folder / principal
        data.mkdir(exist_ok=True)
        settings: Any = kind(server_url="sim", identity=data, anchor=data, data=data, lease_s=LEASE_S)
        context = Context(settings, broker, voice, people.anchor(), Directory(people.anchor()), stop)
        if principal in SERVICES:
            tasks = dict(await SERVICES[principal].build(context))
        else:
            tasks = {"edge": await self._edge(principal, broker, context)}
        return {**tasks, "lease": lambda: hold_lease(voice, LEASE_S, stop)}

    async def _edge(self, name: str, broker: ChaosBroker, context: Context[Any]) -> Callable[[], Awaitable[None]]:
        directory = await learn_principals(broker, people.anchor())
        self.disks[name].line = broker.line
        bench = Bench(name, self.disks[name], broker, self.chance, self.flaky)
        settings = type("Settings", (), {"workers": 1})
        edge = Edge(
            Context(settings, broker, context.voice, context.anchor, directory, context.stop),  # type: ignore[arg-type]
            self.disks[name],  # type: ignore[arg-type]
            bench,  # type: ignore[arg-type]
            Outbox(context, directory),
        )
        work = Work(broker, topology.commands_of(name), directory, context.voice, edge.handle)

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(work.run(context.stop))
                group.create_task(edge.run())

        return both

    async def kill(self, name: str, principal: str | None = None) -> None:
        """End a process as SIGKILL does, and start it again after a while."""
        self.note(f"{name} killed")
        self.lines[name].dead = True
        task = self._processes[name]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(self.chance.uniform(*_RESTART_S))
        self.note(f"{name} started again")
        self.start(name, principal)

    async def cut(self, name: str, seconds: float) -> None:
        """Cut a line for a while."""
        self.note(f"{name} cut off for {seconds:.0f} s")
        line = self.lines[name]
        line.cut = True
        await asyncio.sleep(seconds)
        line.mend()
        self.note(f"{name} reachable again")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The federation, in place."""
        for consumer in (*topology.WORK, *(topology.commands_of(edge) for edge in EDGES)):
            self.broker.provide(consumer)
        await introduce(self.broker)
        for name in (*SERVICES, *EDGES):
            self.start(name)
        try:
            yield
        finally:
            ending = [*self._killings, *self._processes.values()]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def experiment(self, *, vendor: str = "acme", **changes: Any) -> list[Record]:
        """Submit an experiment, and return its history once it has ended."""
        body = submission(**changes)
        await self.say(body, vendor)
        history: list[Record] = []
        async for record in self.follow(body.experiment, vendor):
            history.append(record)
            if isinstance(record.body, ExperimentCompleted | ExperimentFailed):
                return history
        raise AssertionError

    async def allow(self, vendor: str) -> None:
        """Put a vendor on the allow-list."""
        operator = Voice(self.broker, people.identity("operator"), VirtualClock())
        await operator.say(VendorAllowed(vendor=OwnerId(vendor), request="sim"))

    async def say(self, event: Event, who: str) -> None:
        """Have a vendor say something, over a perfect line."""
        await Voice(self.broker, people.identity(who), VirtualClock()).say(event, owner=OwnerId(who))

    async def follow(self, experiment: str = X, vendor: str = "acme") -> AsyncIterator[Record]:
        """The events of an experiment as they are said."""
        directory = people.directory()
        async for stored in self.broker.log(StreamName.EVENTS).read(f"ev.{vendor}.*.{experiment}.>", follow=True):
            yield Record.of(directory.verify(stored.message), stored)

    async def heard(self, kind: type[Event], *, experiment: str = X, actor: str | None = None) -> Record:
        """The first event of a type."""
        async for record in self.follow(experiment):
            if isinstance(record.body, kind) and actor in {None, record.actor}:
                return record
        raise AssertionError

    def dead_letters(self) -> list[str]:
        """Subjects of the dead letters."""
        return [stored.message.subject for stored in self.broker.log(StreamName.DEADLETTERS).messages if stored]


@dataclass(frozen=True)
class Ran:
    """How a simulation ended."""

    history: list[Record]
    trace: list[str]
    dead_letters: list[str]

    @property
    def end(self) -> ExperimentCompleted | ExperimentFailed:
        body = self.history[-1].body
        assert isinstance(body, ExperimentCompleted | ExperimentFailed)
        return body

    def __str__(self) -> str:
        return "\n".join(["what chance did:", *self.trace, "what was said:", *(told(r).text for r in self.history)])


def simulate_all(simulation: Simulation, main: Callable[[], Awaitable[T]], *, limit_s: float = 6 * 3600) -> T:
    """Run ``main`` beside the federation in virtual time."""

    async def whole() -> T:
        async with asyncio.timeout(limit_s), simulation.running():
            return await main()

    return run(whole(), simulation.chance)


def simulate(
    simulation: Simulation,
    disturb: Callable[[Simulation], Awaitable[None]] | None = None,
    *,
    limit_s: float = 6 * 3600,
    **changes: Any,
) -> Ran:
    """Run one experiment to its end in virtual time, with ``disturb`` beside it."""

    async def main() -> list[Record]:
        disturbing = asyncio.ensure_future(disturb(simulation)) if disturb else None
        try:
            return await simulation.experiment(**changes)
        finally:
            if disturbing is not None:
                disturbing.cancel()
                await asyncio.gather(disturbing, return_exceptions=True)

    history = simulate_all(simulation, main, limit_s=limit_s)
    return Ran(history, simulation.trace, simulation.dead_letters())
