"""Following an experiment as it runs: events change its state, progress signals fill the gaps between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bus.errors import Denied, MusterError, WorkerFailed
from bus.events import Body
from bus.events.base import ExperimentId, PrincipalId
from bus.events.cycles import CycleOpened, ModelAveraged, ModelEvaluated, Progress
from bus.events.experiments import (
    ExperimentAborted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentRefused,
    ExperimentStopped,
    Failure,
    QueueReported,
)
from bus.events.weights import FederatedScore
from bus.wire.record import Record
from coordinator.domain.state import Experiment, Phase, Sealed
from coordinator.domain.world import World
from muster.client import Client
from muster.telling import failures

_FINAL: Final = (ExperimentRefused, ExperimentAborted, ExperimentFailed, ExperimentCompleted)


@dataclass
class View:
    """What is known of a running experiment.

    Attributes:
        world: Folded as far as was read.
        id: The experiment's.
        signals: Edge -> its last progress report in the cycle that runs.
        queued: What the coordinator said about its waiting to start.
        scores: Of the last global model.
        began: When the first cycle opened; ``None`` before.
        last: The last event.
    """

    world: World
    id: ExperimentId
    signals: dict[PrincipalId, Progress] = field(default_factory=dict)
    queued: QueueReported | None = None
    scores: tuple[FederatedScore, ...] = ()
    began: datetime | None = None
    last: Record | None = None

    @property
    def experiment(self) -> Experiment:
        """Its state."""
        return self.world.experiments[self.id]

    @property
    def steps(self) -> tuple[int, int]:
        """Cycles of its schedule that are done, and all of them."""
        return self.experiment.step, len(self.experiment.steps)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to follow."""
        return self.experiment.phase.final or self.experiment.phase is Phase.STOPPED

    def eta_s(self, now: datetime) -> float | None:
        """Seconds that are left if cycles go on taking what they took so far; ``None`` before the first is done."""
        done, total = self.steps
        if self.began is None or done == 0:
            return None
        return (now - self.began).total_seconds() / done * (total - done)

    def edges(self) -> list[tuple[PrincipalId, str]]:
        """Every edge of the cycle that runs, and what it is doing."""
        cycle = self.experiment.cycle
        if cycle is None:
            return []
        return [(edge, self._doing(edge)) for edge in cycle.cohort]

    def _doing(self, edge: PrincipalId) -> str:
        cycle = self.experiment.cycle
        assert cycle is not None
        answer = cycle.answers.get(edge)
        if isinstance(answer, Sealed):
            return f"done, {answer.examples} examples"
        if answer is not None:
            return f"failed: {failures.told(answer.failure)}"
        signal = self.signals.get(edge)
        if signal is None or signal.cycle != cycle.cycle:
            return "waiting for its update"
        loss = "" if signal.loss is None else f", loss {signal.loss:.4f}"
        return f"{signal.phase} {signal.done}/{signal.total}{loss}"

    def fold(self, record: Record) -> None:
        """Take in an event."""
        self.world.fold(record)
        self.last = record
        body = record.body
        if isinstance(body, CycleOpened):
            self.began = self.began or record.envelope.time
            self.signals.clear()
        elif isinstance(body, ModelAveraged | ModelEvaluated):
            self.scores = body.scores or self.scores


async def follow(client: Client, experiment: ExperimentId, tell: Callable[[View, Record | None], None]) -> View:
    """Follow an experiment to its end.

    Args:
        client: Who follows.
        experiment: Which; it was submitted.
        tell: Told after every event, with its record, and after every progress signal, with ``None``.
    """
    view = View(await client.world_of(experiment), experiment)
    position = view.world.position
    signals = asyncio.create_task(_listen(client, view, tell))
    try:
        async for record in client.history(view.experiment, follow=True):
            if record.sequence > position:
                view.fold(record)
            else:
                view.last = record
            tell(view, record)
            if _ends(record.body, view.experiment):
                break
    finally:
        signals.cancel()
        with suppress(asyncio.CancelledError):
            await signals
    return view


def _ends(body: Body, experiment: Experiment) -> bool:
    """Whether an event is the one that the experiment ended with: it may have been stopped and resumed before."""
    if isinstance(body, ExperimentStopped):
        return experiment.phase is Phase.STOPPED and body.turn == experiment.turn
    return experiment.phase.final and isinstance(body, _FINAL)


async def _listen(client: Client, view: View, tell: Callable[[View, Record | None], None]) -> None:
    async for record in client.progress(view.id):
        if isinstance(record.body, Progress):
            view.signals[record.body.edge] = record.body
        elif isinstance(record.body, QueueReported):
            view.queued = record.body
        tell(view, None)


def ended(view: View) -> None:
    """Raise if an experiment ended otherwise than it should.

    Raises:
        Denied: Policy refused it.
        WorkerFailed: It failed.
        MusterError: It was aborted.
    """
    body = view.last.body if view.last is not None else None
    if isinstance(body, ExperimentRefused):
        raise Denied(f"experiment {view.id} was refused: {'; '.join(body.reasons)}", code="policy.refused")
    if isinstance(body, ExperimentFailed):
        failure = body.failure
        raise WorkerFailed(
            f"experiment {view.id} failed: {failures.line(failure)}", code="experiment.failed", **_details(failure)
        )
    if isinstance(body, ExperimentAborted):
        raise MusterError(
            f"experiment {view.id} was aborted: {body.reason or 'no reason given'}", code="experiment.aborted"
        )


def _details(failure: Failure) -> dict[str, str | None]:
    """The failure that ended it, for ``error`` objects in JSON."""
    facts = failures.facts(failure)
    named = ("number", "category", "edge", "phase", "who", "step")
    return {"failure": failure.code, "trace": "\n".join(failure.trace), **{name: facts[name] for name in named}}
