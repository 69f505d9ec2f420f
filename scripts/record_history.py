"""Records what the tests in tests/replay hold every later release to: whole histories, and the schemas of all messages.

Run once for a release, before it is tagged; what is recorded stays. Services and edges run on the memory bus, so no
server is needed. Keys are made anew for each run: a history names the operator to believe.

Usage: record_history.py [--again]

``--again`` replaces what was recorded for a release that is not out yet.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from audit_sink import service as audit_sink  # noqa: E402
from bus.errors import MusterError  # noqa: E402
from bus.events import CATALOGUE, Body, Event  # noqa: E402
from bus.events.base import FEDERATION  # noqa: E402
from bus.events.callbacks import Callbacks, EarlyStopping, Monitor, ReduceOnPlateau  # noqa: E402
from bus.events.custody import (  # noqa: E402
    Keep,
    KeepingRuled,
    PurgeRequested,
    WeightsPurged,
    WeightsReleased,
)
from bus.events.cycles import (  # noqa: E402
    CycleAbandoned,
    CycleExpired,
    CycleKind,
    ModelAveraged,
    RunCycle,
    UpdateFailed,
)
from bus.events.experiments import (  # noqa: E402
    AbortRequested,
    ExperimentAborted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentPaused,
    ExperimentRefused,
    ExperimentRequeued,
    ExperimentStopped,
    Failure,
    PauseRequested,
    ResumeRequested,
    StopRequested,
)
from bus.events.governance import (  # noqa: E402
    Checkpointed,
    ExperimentHeld,
    FederationPaused,
    FederationResumed,
    VendorDisallowed,
)
from bus.events.principals import Capacity, EdgeAppeared, EdgeEnrolled, EdgeLapsed  # noqa: E402
from bus.events.tallies import ClassTally, Tally  # noqa: E402
from bus.events.weights import Score  # noqa: E402
from bus.identity.directory import Directory, sign  # noqa: E402
from bus.runtime.clock import SystemClock  # noqa: E402
from bus.runtime.listening import Work, ignore, verified  # noqa: E402
from bus.runtime.service import Context, hold_lease  # noqa: E402
from bus.runtime.voice import Voice  # noqa: E402
from bus.wire import envelope, subjects, topology  # noqa: E402
from bus.wire.message import Message  # noqa: E402
from bus.wire.record import Record  # noqa: E402
from bus.wire.topology import StreamName  # noqa: E402
from muster.proof.verify import export_log  # noqa: E402
from replay import history  # noqa: E402 - needs the path
from replay.compatibility import schemas  # noqa: E402
from support import people, spine  # noqa: E402
from support.spine import ACME, EDGES, LEASE_S, Edge, Spine, running_spine, weights_of  # noqa: E402
from support.story import X  # noqa: E402

PATIENCE_S: Final = 60.0
SHORT_S: Final = 2.0
"""Deadline of the history in which one passes."""
LARGEST_BYTES: Final = 200_000


@dataclass
class Learner(Edge):
    """An edge that also scores, and that can be told to fail or to fall silent."""

    fails: Callable[[RunCycle], UpdateFailed | None] | None = None
    losses: tuple[float, ...] = ()
    """Of the global model of each cycle, on the validation rows; empty: it does not look."""
    silent: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; renew the lease until it falls silent."""
        work = Work(self.broker, topology.commands_of(self.name), self.directory, self.voice, self.handle)
        end = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(work.run(stop))
            group.create_task(hold_lease(self.voice, LEASE_S, end))
            ends = [group.create_task(event.wait()) for event in (stop, self.silent)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            end.set()
            for each in ends:
                each.cancel()

    async def update(self, command: RunCycle, record: Record) -> Event:
        """What it says to a command."""
        failed = self.fails(command) if self.fails else None
        if failed is not None:
            return failed.model_copy(update={"command": record.id})
        sealed = await super().update(command, record)
        if command.cycle.kind in {CycleKind.STATISTICS, CycleKind.INITIALISE}:
            return sealed
        final = command.cycle.kind is CycleKind.EVALUATE
        where = {"split": "test" if final else "validation", "stage": "received" if final else "trained"}
        count = spine.EXAMPLES[self.name]
        right = round(count * (0.5 + command.cycle.number / 10))
        score = Score(name="accuracy", value=right / count, count=count, **where)
        classes = ClassTally(
            actual=(count, 0),
            predicted=(right, count - right),
            hits=(right, 0),
            squared_distance=count - right,
            confusion=((right, count - right), (0, 0)) if final else None,
        )
        tally = Tally(count=count, classes=classes, **where)
        return sealed.model_copy(update={"scores": (score, *self._judged(command)), "tallies": (tally,)})

    def _judged(self, command: RunCycle) -> tuple[Score, ...]:
        """What the model that came is worth, if the edge looks."""
        number = command.cycle.number - (command.cycle.kind is CycleKind.TRAIN)
        if not self.losses or (command.cycle.kind is CycleKind.EVALUATE and not command.with_validation):
            return ()
        about = {"name": "log_loss", "split": "validation", "stage": "received"}
        return (Score(**about, value=self.losses[number], count=spine.EXAMPLES[self.name]),)


async def until(running: Spine, kind: type[Event], times: int = 1) -> None:
    """Wait until ``kind`` was said so often."""
    async with asyncio.timeout(PATIENCE_S):
        directory = Directory(people.anchor())
        async for record in verified(running.broker, directory, "ev.>", reject=ignore, follow=True):
            times -= isinstance(record.body, kind)
            if times == 0:
                return


async def completed(running: Spine) -> None:
    """Two cycles from beginning to end."""
    await running.submit()
    await until(running, ExperimentCompleted)


async def no_better(running: Spine) -> None:
    """The rate falls, then training ends early: the first trained model is the best, and the result."""
    monitor = Monitor(split="validation", name="log_loss", higher=False)
    asked = Callbacks(
        early_stopping=EarlyStopping(monitor=monitor, patience=2),
        reduce_on_plateau=ReduceOnPlateau(monitor=monitor, factor=0.5, patience=1, floor=0.1),
        best=monitor,
    )
    for edge in running.edges:
        _learner(running, edge).losses = (3.0, 1.0, 2.0, 2.0, 2.0)
    await running.submit(cycles=6, callbacks=asked)
    await until(running, ExperimentCompleted)


async def stopped_and_resumed(running: Spine) -> None:
    """Stopped in its first training cycle, then resumed to its end."""
    _once(running, lambda: StopRequested(experiment=X, request="1", reason="enough"))
    await running.submit()
    await until(running, ExperimentStopped)
    await running.voice("acme").say(ResumeRequested(experiment=X, request="2"), owner=ACME)
    await until(running, ExperimentCompleted)


async def stopped(running: Spine) -> None:
    """Stopped in its first training cycle; the model of that cycle is the result."""
    _once(running, lambda: StopRequested(experiment=X, request="1", reason="enough"))
    await running.submit(cycles=5)
    await until(running, ExperimentStopped)


async def paused_and_aborted(running: Spine) -> None:
    """Paused by its vendor, then aborted by the operator."""
    _once(running, lambda: PauseRequested(experiment=X, request="1", reason="wait"))
    await running.submit()
    await until(running, ExperimentPaused)
    await running.voice("operator").say(AbortRequested(experiment=X, request="2", reason="no need"), owner=ACME)
    await until(running, ExperimentAborted)


async def kept_less(running: Spine) -> None:
    """The operator keeps the last model alone; when it is over, nothing."""
    operator = running.voice("operator")
    await operator.say(KeepingRuled(federation=FEDERATION, keep=Keep.LAST, request="1", reason="room"))
    await running.submit()
    await until(running, ExperimentCompleted)
    await operator.say(PurgeRequested(experiment=X, keep=Keep.NOTHING, request="2"), owner=ACME)
    async with asyncio.timeout(PATIENCE_S):
        let_go: WeightsReleased | None = None
        async for said in verified(running.broker, Directory(people.anchor()), "ev.>", reject=ignore, follow=True):
            if isinstance(said.body, WeightsReleased) and "2-train" in said.body.outcomes:
                let_go = said.body
            if isinstance(said.body, WeightsPurged) and let_go is not None and said.body.turn == let_go.turn:
                return


def _once(running: Spine, wish: Callable[[], Event]) -> None:
    """Have the vendor ask for something while the first training cycle runs."""
    asked = asyncio.Event()

    async def ask(command: RunCycle) -> None:
        if command.cycle.kind is CycleKind.TRAIN and not asked.is_set():
            asked.set()
            await running.voice("acme").say(wish(), owner=ACME)

    running.edges["hospital-a"].delay = ask


async def refused(running: Spine) -> None:
    """A vendor that may not submit any more is refused, and so is a quorum that nobody can meet."""
    await running.submit(quorum=7)
    await until(running, ExperimentRefused)
    await running.voice("operator").say(VendorDisallowed(vendor=ACME, request="1", reason="the contract ended"))
    await running.submit(experiment="01Y")
    await until(running, ExperimentRefused, 2)


async def unchanged(running: Spine) -> None:
    """Fails, since training changes nothing."""

    def still(edge: str, command: RunCycle, received: np.ndarray) -> dict[str, np.ndarray]:
        return {"w": received} if command.cycle.kind is CycleKind.TRAIN else weights_of(edge, command, received)

    with patch.object(spine, "weights_of", still):
        await running.submit()
        await until(running, ExperimentFailed)


async def rejected(running: Spine) -> None:
    """One update of the first training cycle cannot be opened: it is closed again without it."""
    blobs = running.broker.blobs()

    async def tear(command: RunCycle) -> None:
        if command.cycle.kind is CycleKind.TRAIN and command.cycle.number == 1:
            # What is written first stays: the edge's own chunk will be refused by the store.
            await blobs.put(f"w.acme.hospital-b.{X}.update-{command.cycle}-1.c.0", b"torn")

    running.edges["hospital-b"].delay = tear
    await running.submit(quorum=2)
    await until(running, ExperimentCompleted)


async def global_pause(running: Spine) -> None:
    """The operator pauses the federation during the first training cycle, which ends; the next one waits."""
    _pause_in_training(running)
    await running.submit()
    await until(running, ModelAveraged, times=3)
    await _resume(running)


async def requeued(running: Spine) -> None:
    """The operator pauses the federation between two cycles for longer than a deadline: the places are given back."""
    _pause_in_training(running)
    await running.submit(deadline_s=SHORT_S)
    await until(running, ExperimentRequeued)
    await _resume(running)


def _pause_in_training(running: Spine) -> None:
    async def pause(command: RunCycle) -> None:
        if command.cycle.kind is CycleKind.TRAIN and command.cycle.number == 1:
            event = FederationPaused(federation=FEDERATION, request="1", reason="incident")
            await running.voice("operator").say(event)
            await until(running, ExperimentHeld)

    running.edges["hospital-a"].delay = pause


async def _resume(running: Spine) -> None:
    await running.voice("operator").say(FederationResumed(federation=FEDERATION, request="2"))
    await until(running, ExperimentCompleted)


async def late(running: Spine) -> None:
    """One edge answers the first training cycle only after its deadline."""

    async def wait(command: RunCycle) -> None:
        if command.cycle.kind is CycleKind.TRAIN and command.cycle.number == 1:
            await until(running, CycleExpired)

    running.edges["hospital-c"].delay = wait
    await running.submit(quorum=2, deadline_s=SHORT_S)
    await until(running, ExperimentCompleted)


async def retried(running: Spine) -> None:
    """One edge fails once in the first training cycle, and is told to try again."""
    _learner(running, "hospital-b").fails = lambda command: (
        _failed(command, retryable=True) if str(command.cycle) == "1-train-1" and command.trial == 1 else None
    )
    await running.submit()
    await until(running, ExperimentCompleted)


async def abandoned(running: Spine) -> None:
    """One edge cannot do its part at all; without it there is no quorum."""
    _learner(running, "hospital-b").fails = lambda command: (
        _failed(command, retryable=False) if command.cycle.kind is CycleKind.TRAIN else None
    )
    await running.submit()
    await until(running, CycleAbandoned)
    await until(running, ExperimentFailed)


def _learner(running: Spine, name: str) -> Learner:
    edge = running.edges[name]
    assert isinstance(edge, Learner)
    return edge


def _failed(command: RunCycle, *, retryable: bool) -> UpdateFailed:
    failure = Failure(category="data", code="data.gone", message="the table is not there", edge=command.edge)
    return UpdateFailed(
        experiment=command.experiment,
        cycle=command.cycle,
        trial=command.trial,
        command="",
        failure=failure,
        retryable=retryable,
    )


async def lapsed(running: Spine) -> None:
    """One edge falls silent before the submission, which waits until it is back."""
    _learner(running, "hospital-c").silent.set()
    await until(running, EdgeLapsed)
    await running.submit()
    edge, back = running.edges["hospital-c"], asyncio.Event()
    lease = asyncio.create_task(hold_lease(edge.voice, LEASE_S, back))
    await until(running, ExperimentCompleted)
    back.set()
    await lease


async def forged(running: Spine) -> None:
    """Another vendor and an edge ask for a stop, and one request was changed on its way: nobody listens."""

    async def forge(command: RunCycle) -> None:
        if command.cycle.kind is CycleKind.TRAIN and command.cycle.number == 1:
            await running.broker.log(StreamName.EVENTS).append([_stop("globex"), _stop("hospital-a"), _nonsense()])

    running.edges["hospital-a"].delay = forge
    await running.submit()
    await until(running, ExperimentCompleted)


def _stop(actor: str) -> Message:
    body = StopRequested(experiment=X, request="forged")
    subject = subjects.of(body, owner=ACME, actor=actor)
    identity = people.identity(actor)
    return sign(envelope.wrap(body, subject=subject, actor=identity.principal, time=SystemClock().now()), identity)


def _nonsense() -> Message:
    genuine = _stop("acme")
    return Message(genuine.subject, genuine.headers, genuine.data + b"\x00")


SCENARIOS: Final[dict[str, Callable[[Spine], Awaitable[None]]]] = {
    scenario.__name__.replace("_", "-"): scenario
    for scenario in (
        *(completed, kept_less, no_better, stopped_and_resumed, stopped, paused_and_aborted, refused, unchanged),
        *(rejected, global_pause, requeued, late, retried, abandoned, lapsed, forged),
    )
}


@asynccontextmanager
async def audited(running: Spine, folder: Path) -> AsyncIterator[None]:
    """An audit sink beside it; at the end it has signed for everything."""
    stop = asyncio.Event()
    settings = audit_sink.AuditSinkSettings(
        server_url="memory", identity=folder, anchor=folder, data=folder, lease_s=LEASE_S
    )
    voice = Voice(running.broker, people.identity("audit_sink"))
    anchor = people.anchor()
    context = Context(settings, running.broker, voice, anchor, Directory(anchor), stop)
    tasks = await audit_sink.build(context)
    async with asyncio.TaskGroup() as group:
        for task in tasks.values():
            group.create_task(task())
        try:
            yield
            await _signed_for(running)
        finally:
            stop.set()


async def _signed_for(running: Spine) -> None:
    """Wait until the last checkpoint covers everything but checkpoints."""
    log, said = running.broker.log(StreamName.EVENTS), [0]
    async with asyncio.timeout(PATIENCE_S):
        async for stored in log.read("ev.>", follow=True):
            body = _readable(stored.message)
            if not isinstance(body, Checkpointed):
                said.append(stored.sequence)
            elif body.size >= said[-1] and [s async for s in log.read("ev.>", after=stored.sequence)] == []:
                return


def _readable(message: Message) -> Body | None:
    try:
        return envelope.from_message(message).body
    except MusterError:
        return None


async def record(scenario: Callable[[Spine], Awaitable[None]], path: Path) -> None:
    """Let a scenario happen and keep its log at ``path``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with patch.object(spine, "Edge", Learner):
            async with running_spine(folder) as running:
                async with audited(running, folder):
                    await _enrol(running)
                    await until(running, EdgeAppeared, len(EDGES))
                    await scenario(running)
                await export_log(running.broker, people.anchor(), path)


async def _enrol(running: Spine) -> None:
    """What edge daemons say first."""
    for edge in EDGES:
        await running.voice(edge).say(
            EdgeEnrolled(
                edge=edge,
                fingerprint="f1",
                release=release(),
                frameworks=("sklearn",),
                capacity=Capacity(cpus=4, memory_bytes=2**33),
                isolation="bubblewrap",
            )
        )


def release() -> str:
    """The version of this release."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def main(*, again: bool) -> None:
    """Record everything."""
    folder, book = history.FOLDER / release(), history.SCHEMAS / f"{release()}.json"
    if folder.exists() and not again:
        sys.exit(f"{folder} is there already: what a release recorded stays. Before it is out, say --again.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, scenario in SCENARIOS.items():
        path = folder / f"{name}.jsonl"
        asyncio.run(record(scenario, path))
        found = {"about": " ".join((scenario.__doc__ or "").split()), **history.summary(history.load(path))}
        path.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        size = path.stat().st_size
        print(f"{name}: {found['messages']} messages, {size} bytes")
        assert size < LARGEST_BYTES, f"{path} is too large to keep"
    book.parent.mkdir(exist_ok=True)
    book.write_text(json.dumps(schemas(CATALOGUE), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(again="--again" in sys.argv[1:])
