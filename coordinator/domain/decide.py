"""What must be said next about an experiment: at most one event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from bus.events import Event
from bus.events.base import PrincipalId
from bus.events.cycles import (
    Contribution,
    Cycle,
    CycleAbandoned,
    CycleClosed,
    CycleExpired,
    CycleKind,
    CycleOpened,
    LeftOut,
    Source,
)
from bus.events.experiments import (
    ExperimentAborted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentPaused,
    ExperimentRequeued,
    ExperimentResumed,
    ExperimentStarted,
    ExperimentStopped,
    Failure,
    FailurePhase,
)
from coordinator.domain.callbacks import called_for, fatal
from coordinator.domain.queue import Place
from coordinator.domain.state import Experiment, Failed, Fleet, OpenCycle, Phase, Wish

MAX_ATTEMPTS: Final = 3
"""How often a cycle is run before the experiment fails for want of a quorum."""

_FEW: Final = 10
AGGREGATOR: Final = PrincipalId("aggregator")
_NO_CLOSING: Final = Failure(
    category="infra",
    code="fork.closing",
    message="the log does not hold how the cycle to be averaged anew was closed",
    phase=FailurePhase.SUBMIT,
)


def decide(experiment: Experiment, fleet: Fleet, now: datetime, place: Place | None = None) -> Event | None:
    """The next event of the coordinator about ``experiment``, or ``None`` while there is nothing to decide.

    Args:
        experiment: Its state.
        fleet: The edges.
        now: The time at the broker.
        place: Where it stands in the queue, if it is in it.
    """
    if experiment.phase.final or experiment.phase is Phase.SUBMITTED:
        return None
    if experiment.wish is Wish.ABORT:
        return ExperimentAborted(experiment=experiment.id, reason=experiment.wish_reason)
    if experiment.phase in {Phase.PAUSED, Phase.STOPPED}:
        return _at_rest(experiment)
    if experiment.cycle is not None:
        return _in_cycle(experiment, experiment.cycle, now)
    return _between_cycles(experiment, fleet, now, place)


def waits_for_place(experiment: Experiment, fleet: Fleet) -> tuple[PrincipalId, ...] | None:
    """The edges that a queued experiment would use, if nothing but room is in its way."""
    willing = experiment.wish in {None, Wish.RESUME}
    queued = experiment.phase is Phase.QUEUED and willing
    return _able(experiment, fleet) if queued and blocked(experiment, fleet) is None else None


def blocked(experiment: Experiment, fleet: Fleet) -> str | None:
    """Why no cycle opens although one is due; ``None`` if nothing is in the way."""
    if experiment.held:
        return "held by policy: " + "; ".join(experiment.held)
    able = _able(experiment, fleet)
    if len(able) < experiment.quorum:
        missing = sorted(set(experiment.spec.recipients) - set(able))
        return (
            f"waiting for edges with dataset {experiment.spec.data.dataset!r}: {len(able)} of {experiment.quorum} "
            f"are live; missing {_some(missing)}"
        )
    return None


def _at_rest(experiment: Experiment) -> Event | None:
    if experiment.wish is Wish.RESUME:
        return ExperimentResumed(experiment=experiment.id, turn=experiment.turn + 1, reason=experiment.wish_reason)
    if experiment.wish is Wish.STOP and experiment.phase is Phase.PAUSED:
        return _stop(experiment)
    return None


def _in_cycle(experiment: Experiment, cycle: OpenCycle, now: datetime) -> Event | None:
    failure = fatal(experiment, cycle)
    if failure is not None:
        return ExperimentFailed(experiment=experiment.id, failure=failure)
    if cycle.closed is not None:
        return _after_closing(experiment, cycle, cycle.closed, now)
    if len(cycle.cohort) - len(cycle.lost) < cycle.quorum:
        return _abandon(experiment, cycle)
    if not cycle.awaited:
        return _close(experiment, cycle, revision=1)
    if cycle.expired:
        return (
            _close(experiment, cycle, revision=1) if len(cycle.usable) >= cycle.quorum else _abandon(experiment, cycle)
        )
    if now >= cycle.deadline:
        return CycleExpired(experiment=experiment.id, cycle=cycle.cycle)
    return None


def _after_closing(experiment: Experiment, cycle: OpenCycle, closed: CycleClosed, now: datetime) -> Event | None:
    """Nothing while the aggregator works; another closing, or none, if it had to reject an update."""
    if not any(c.edge in cycle.rejected for c in closed.included):
        return _unanswered(experiment, cycle) if now >= cycle.deadline else None
    if len(cycle.usable) >= cycle.quorum:
        return _close(experiment, cycle, revision=closed.revision + 1)
    return _abandon(experiment, cycle)


def _close(experiment: Experiment, cycle: OpenCycle, revision: int) -> CycleClosed:
    included = tuple(Contribution(edge=e, update=a.update, weight=a.examples) for e, a in cycle.usable.items())
    return CycleClosed(
        experiment=experiment.id,
        cycle=cycle.cycle,
        revision=revision,
        included=included,
        left_out=_left_out(cycle),
        strategy=experiment.spec.strategy,
        model=cycle.model,
        recipients=_recipients(experiment, cycle.cycle),
        source=cycle.source,
        state=experiment.state if cycle.cycle.kind is CycleKind.TRAIN else None,
        store=experiment.spec.store,
    )


def _recipients(experiment: Experiment, cycle: Cycle) -> tuple[PrincipalId, ...]:
    """Edges that may need the outcome next, the aggregator to prove it later, and the vendor if it is a model."""
    models = cycle.kind in {CycleKind.INITIALISE, CycleKind.TRAIN}
    vendor = (experiment.vendor,) if models else ()
    return (*sorted(experiment.spec.recipients), AGGREGATOR, *vendor)


def _left_out(cycle: OpenCycle) -> tuple[LeftOut, ...]:
    usable = cycle.usable
    return tuple(LeftOut(edge=e, failure=_why(cycle, e)) for e in sorted(cycle.cohort) if e not in usable)


def _why(cycle: OpenCycle, edge: PrincipalId) -> Failure:
    if edge in cycle.rejected:
        return cycle.rejected[edge]
    answer = cycle.answers.get(edge)
    if isinstance(answer, Failed):
        return answer.failure
    return Failure(
        category="infra",
        code="cycle.no_answer",
        message=f"{edge} did not answer before the deadline",
        edge=edge,
        phase=FailurePhase.COLLECT,
    )


def _abandon(experiment: Experiment, cycle: OpenCycle) -> CycleAbandoned:
    left_out = _left_out(cycle)
    why = _some([f"{each.edge}: {each.failure.message}" for each in left_out], "; ")
    reason = f"{len(cycle.usable)} of {len(cycle.cohort)} updates are usable; the quorum is {cycle.quorum}"
    if why:
        reason += f"; {why}"
    return CycleAbandoned(experiment=experiment.id, cycle=cycle.cycle, reason=reason, left_out=left_out)


def _some(words: Sequence[str], separator: str = ", ") -> str:
    """The first few: with a thousand edges, nobody reads all of them."""
    more = len(words) - _FEW
    return separator.join([*words[:_FEW], *([f"and {more} more"] if more > 0 else [])])


def _unanswered(experiment: Experiment, cycle: OpenCycle) -> CycleAbandoned:
    reason = f"the aggregator gave no outcome within {experiment.spec.deadline_s:g} s of the closing"
    return CycleAbandoned(experiment=experiment.id, cycle=cycle.cycle, reason=reason)


def _between_cycles(experiment: Experiment, fleet: Fleet, now: datetime, place: Place | None) -> Event | None:
    if experiment.abandoned is not None and experiment.attempts >= MAX_ATTEMPTS:
        return ExperimentFailed(experiment=experiment.id, failure=experiment.abandoned)
    said = called_for(experiment)
    if said is not None:
        return said
    steps = experiment.steps
    if experiment.step == len(steps):
        assert experiment.model is not None
        return ExperimentCompleted(experiment=experiment.id, model=experiment.model, scores=experiment.scores)
    if experiment.wish is Wish.STOP:
        return _stop(experiment)
    if experiment.wish is Wish.PAUSE:
        return ExperimentPaused(experiment=experiment.id, turn=experiment.turn + 1, reason=experiment.wish_reason)
    if experiment.anew and experiment.inherited is None:
        return ExperimentFailed(experiment=experiment.id, failure=_NO_CLOSING)
    reason = blocked(experiment, fleet)
    if reason is not None:
        return _requeue(experiment, reason, now)
    if place is not None and place.full:
        return None
    able = _able(experiment, fleet)
    if not experiment.started:
        return ExperimentStarted(experiment=experiment.id, edges=able)
    return _open(experiment, steps[experiment.step], able, now)


def _requeue(experiment: Experiment, reason: str, now: datetime) -> Event | None:
    """What waits too long does not keep its places from others. In the queue there is nothing to give back."""
    if experiment.deadline is None or now < experiment.deadline:
        return None
    return ExperimentRequeued(experiment=experiment.id, turn=experiment.turn + 1, reason=reason)


def _open(experiment: Experiment, step: Cycle, able: tuple[PrincipalId, ...], now: datetime) -> CycleOpened:
    cycle = step.model_copy(update={"attempt": experiment.attempts + 1})
    cohort, quorum = able, experiment.quorum
    if step.kind is CycleKind.INITIALISE:
        # One edge builds the first model; another one when it is tried again.
        cohort, quorum = (able[experiment.attempts % len(able)],), 1
    source = None
    if experiment.anew:
        assert experiment.inherited is not None
        source = _source(experiment.inherited)
        cohort = tuple(each.edge for each in experiment.inherited.included)
        quorum = len(cohort)
    return CycleOpened(
        experiment=experiment.id,
        cycle=cycle,
        cohort=cohort,
        quorum=quorum,
        model=experiment.model,
        deadline=now + timedelta(seconds=experiment.spec.deadline_s),
        source=source,
        rate_factor=experiment.rate_factor if step.kind is CycleKind.TRAIN else 1.0,
    )


def _source(closing: CycleClosed) -> Source:
    """Where its updates are: what is averaged anew may have been so before."""
    return closing.source or Source(experiment=closing.experiment, cycle=closing.cycle)


def _able(experiment: Experiment, fleet: Fleet) -> tuple[PrincipalId, ...]:
    """Live edges that hold the dataset and can open the model file."""
    return tuple(e for e in fleet.live_holders(experiment.spec.data.dataset) if e in experiment.spec.recipients)


def _stop(experiment: Experiment) -> ExperimentStopped:
    model = experiment.global_model
    return ExperimentStopped(
        experiment=experiment.id, turn=experiment.turn + 1, reason=experiment.wish_reason, model=model
    )
