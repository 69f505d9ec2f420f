"""Folding records into states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeVar

from bus.events import Body
from bus.events.base import PrincipalId
from bus.events.callbacks import ModelChosen, RateReduced, StoppedEarly
from bus.events.cycles import (
    CycleAbandoned,
    CycleClosed,
    CycleExpired,
    CycleKind,
    CycleOpened,
    ModelAveraged,
    ModelEvaluated,
    ModelFailed,
    UpdateFailed,
    UpdateRejected,
    UpdateSealed,
)
from bus.events.datasets import DatasetRegistered
from bus.events.experiments import (
    AbortRequested,
    ExperimentAborted,
    ExperimentAdmitted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentPaused,
    ExperimentRefused,
    ExperimentRequeued,
    ExperimentResumed,
    ExperimentStarted,
    ExperimentStopped,
    ExperimentSubmitted,
    Failure,
    FailurePhase,
    PauseRequested,
    Request,
    ResumeRequested,
    StopRequested,
)
from bus.events.governance import ExperimentHeld, ExperimentReleased
from bus.events.principals import EdgeAppeared, EdgeLapsed
from bus.wire.record import Record
from coordinator.domain import watch
from coordinator.domain.forks import counted_by
from coordinator.domain.state import (
    MAX_TRIALS,
    Answer,
    Experiment,
    Failed,
    Fleet,
    OpenCycle,
    Phase,
    Presence,
    Sealed,
    Wish,
)

ACTOR: Final = "coordinator"


def evolve(experiment: Experiment | None, record: Record, fleet: Fleet) -> Experiment | None:
    """``experiment`` after ``record``, which is about it. What is not its owner's business changes nothing."""
    if experiment is None:
        return _submitted(record, record.body) if isinstance(record.body, ExperimentSubmitted) else None
    if record.owner != experiment.owner:
        return experiment
    handler = _HANDLERS.get(type(record.body))
    changed = handler(experiment, record, fleet) if handler else experiment
    if _between(changed) != _between(experiment):
        changed = replace(changed, since=record.stored_at if _between(changed) else None)
    return replace(changed, strand=record.sequence) if record.actor == ACTOR else changed


def _between(experiment: Experiment) -> bool:
    """Whether it has its places, and no cycle."""
    return experiment.phase is Phase.RUNNING and experiment.cycle is None


def _submitted(record: Record, body: ExperimentSubmitted) -> Experiment:
    begun = watch.begun(body)
    return Experiment(id=body.experiment, owner=record.owner, vendor=record.actor, spec=body, watch=begun)


def evolve_fleet(fleet: Fleet, record: Record) -> Fleet:
    """``fleet`` after an edge appeared, lapsed or registered data."""
    body = record.body
    if isinstance(body, EdgeAppeared | EdgeLapsed):
        presence = Presence(isinstance(body, EdgeAppeared), body.turn, record.sequence)
        return replace(fleet, presences={**fleet.presences, body.edge: presence})
    assert isinstance(body, DatasetRegistered)
    if body.edge != record.actor:
        return fleet
    holders = {**fleet.datasets.get(body.dataset, {}), body.edge: body}
    return replace(fleet, datasets={**fleet.datasets, body.dataset: holders})


B = TypeVar("B", bound=Body)
Handler = Callable[[Experiment, Record, Fleet], Experiment]
_HANDLERS: Final[dict[type[Body], Handler]] = {}


def _on(*kinds: type[Body]) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def _body(record: Record, kind: type[B]) -> B:
    assert isinstance(record.body, kind)
    return record.body


@_on(ExperimentAdmitted)
def _admitted(experiment: Experiment, _record: Record, _fleet: Fleet) -> Experiment:
    return replace(experiment, phase=Phase.QUEUED) if experiment.phase is Phase.SUBMITTED else experiment


@_on(ExperimentStarted)
def _started(experiment: Experiment, _record: Record, _fleet: Fleet) -> Experiment:
    return replace(experiment, phase=Phase.RUNNING, started=True)


_WISHES: Final[dict[type[Request], Wish]] = {
    PauseRequested: Wish.PAUSE,
    ResumeRequested: Wish.RESUME,
    StopRequested: Wish.STOP,
    AbortRequested: Wish.ABORT,
}


@_on(*_WISHES)
def _wished(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, Request)
    if experiment.phase.final or experiment.wish is Wish.ABORT:
        return experiment
    return replace(experiment, wish=_WISHES[type(body)], wish_reason=body.reason)


def _fulfilled(experiment: Experiment, wish: Wish) -> Experiment:
    """The experiment once ``wish`` was done; one that came later and asks for something else is still open."""
    return replace(experiment, wish=None, wish_reason="") if experiment.wish is wish else experiment


@_on(ExperimentHeld, ExperimentReleased)
def _held(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = record.body
    return replace(experiment, held=body.reasons if isinstance(body, ExperimentHeld) else ())


@_on(ExperimentPaused)
def _paused(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    changed = _fulfilled(experiment, Wish.PAUSE)
    return replace(changed, phase=Phase.PAUSED, turn=_body(record, ExperimentPaused).turn)


@_on(ExperimentStopped)
def _stopped(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    turn = _body(record, ExperimentStopped).turn
    changed = _fulfilled(experiment, Wish.STOP)
    return replace(changed, phase=Phase.STOPPED, turn=turn, cycle=None, ended_at=record.stored_at)


@_on(ExperimentResumed)
def _resumed(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    turn = _body(record, ExperimentResumed).turn
    return replace(_fulfilled(experiment, Wish.RESUME), phase=Phase.QUEUED, turn=turn, ended_at=None)


@_on(ExperimentRequeued)
def _requeued(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    return replace(experiment, phase=Phase.QUEUED, turn=_body(record, ExperimentRequeued).turn)


_ENDS: Final[dict[type[Body], Phase]] = {
    ExperimentRefused: Phase.REFUSED,
    ExperimentAborted: Phase.ABORTED,
    ExperimentFailed: Phase.FAILED,
    ExperimentCompleted: Phase.COMPLETED,
}


@_on(*_ENDS)
def _ended(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    phase = _ENDS[type(record.body)]
    return replace(experiment, phase=phase, wish=None, ended_at=record.stored_at)


@_on(CycleOpened)
def _opened(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, CycleOpened)
    answers: dict[PrincipalId, Answer] = {}
    if body.source is not None and experiment.inherited is not None:
        answers = {each.edge: Sealed(each.update, each.weight) for each in experiment.inherited.included}
    awaited = frozenset(body.cohort).difference(answers)
    cycle = OpenCycle(
        *(body.cycle, record.id, body.cohort, body.quorum, body.deadline, body.model, awaited, answers),
        source=body.source,
        rate_factor=body.rate_factor,
    )
    return replace(experiment, phase=Phase.RUNNING, cycle=cycle)


def _current(experiment: Experiment, body: Any) -> OpenCycle | None:  # noqa: ANN401 - any body with a cycle
    """The cycle under way, if ``body`` is about it: what is late or about another attempt does not count."""
    cycle = experiment.cycle
    return cycle if cycle is not None and cycle.cycle == body.cycle and not experiment.phase.final else None


@_on(UpdateSealed)
def _sealed(experiment: Experiment, record: Record, fleet: Fleet) -> Experiment:
    body = _body(record, UpdateSealed)
    cycle = _current(experiment, body)
    if cycle is None or cycle.closed or record.actor not in cycle.awaited:
        return experiment
    rows = _most_rows(experiment, fleet, record.actor, body.cycle.kind)
    answer: Sealed | Failed = Sealed(record.id, body.examples)
    # An edge may hold no rows to test on, but has trained on some.
    least = 0 if body.cycle.kind is CycleKind.EVALUATE else 1
    if not least <= body.examples <= rows:
        answer = Failed(_impossible_count(body.examples, rows, record), MAX_TRIALS, final=True, lasting=True)
    return replace(experiment, cycle=cycle.answered(record.actor, answer))


def _most_rows(experiment: Experiment, fleet: Fleet, edge: PrincipalId, kind: CycleKind) -> int:
    """Rows that an edge can have used: those that it takes of its training rows, or all that it registered."""
    data = experiment.spec.data
    if kind is not CycleKind.EVALUATE and edge in data.taken:
        return data.taken[edge].rows
    held = fleet.datasets.get(data.dataset, {}).get(edge)
    return max((split.rows for split in held.splits.values()), default=0) if held else 0


def _impossible_count(examples: int, rows: int, record: Record) -> Failure:
    return Failure(
        category="egress",
        code="update.examples",
        message=f"{record.actor} declares {examples} examples; it was to use at most {rows} rows of its dataset",
        edge=record.actor,
        phase=FailurePhase.COLLECT,
    )


@_on(UpdateFailed)
def _update_failed(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, UpdateFailed)
    cycle = _current(experiment, body)
    if cycle is None or cycle.closed or record.actor not in cycle.awaited:
        return experiment
    final = not body.retryable or body.trial >= MAX_TRIALS
    answer = Failed(body.failure, body.trial, final=final, lasting=not body.retryable)
    return replace(experiment, cycle=cycle.answered(record.actor, answer))


@_on(UpdateRejected)
def _rejected(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, UpdateRejected)
    cycle = _current(experiment, body)
    if cycle is None:
        return experiment
    return replace(experiment, cycle=cycle.without(body.edge, body.failure))


@_on(CycleExpired)
def _expired(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    cycle = _current(experiment, _body(record, CycleExpired))
    return replace(experiment, cycle=replace(cycle, expired=True)) if cycle else experiment


@_on(CycleClosed)
def _closed(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, CycleClosed)
    cycle = _current(experiment, body)
    if cycle is None:
        return experiment
    deadline = record.stored_at + timedelta(seconds=experiment.spec.deadline_s)
    return replace(experiment, phase=Phase.AVERAGING, cycle=replace(cycle, closed=body, deadline=deadline))


@_on(CycleAbandoned)
def _abandoned(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, CycleAbandoned)
    cycle = _current(experiment, body)
    if cycle is None:
        return experiment
    reason = Failure(category="infra", code="cycle.quorum", message=body.reason, phase=FailurePhase.COLLECT)
    lasting = [a.failure for a in cycle.answers.values() if isinstance(a, Failed) and a.lasting]
    if cycle.source is not None:
        lasting += cycle.rejected.values()  # nobody trains them again
    hopeless = len(cycle.cohort) - len(lasting) - len(cycle.rejected) < cycle.quorum and bool(lasting)
    attempts = MAX_TRIALS if hopeless else experiment.attempts + 1
    return replace(
        experiment,
        phase=Phase.RUNNING,
        cycle=None,
        attempts=attempts,
        abandoned=lasting[0] if hopeless else reason,
    )


@_on(ModelAveraged, ModelEvaluated)
def _averaged(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = record.body
    assert isinstance(body, ModelAveraged | ModelEvaluated)
    cycle = _current(experiment, body)
    if cycle is None or cycle.closed is None or cycle.closed.revision != body.revision:
        return experiment
    model, models = experiment.model, experiment.models
    state, states = experiment.state, experiment.states
    counted = experiment.counted
    if isinstance(body, ModelAveraged):
        model, state = body.model, body.state
        if body.cycle.kind is CycleKind.TRAIN:
            counted = counted_by(cycle.closed, counted)
        if body.cycle.kind is not CycleKind.STATISTICS:
            models = {**models, body.cycle.number: model}
        if state is not None:
            states = {**states, body.cycle.number: state}
    return replace(
        experiment,
        models=models,
        phase=Phase.RUNNING,
        cycle=None,
        step=experiment.step + 1,
        attempts=0,
        abandoned=None,
        model=model,
        state=state,
        states=states,
        counted=counted,
        scores=body.scores or experiment.scores,
        watch=_judged(experiment, body),
    )


def _judged(experiment: Experiment, body: ModelAveraged | ModelEvaluated) -> watch.Watch:
    """The watch after an outcome's scores: the edges of a training cycle judged the model that they received."""
    about = {CycleKind.TRAIN: body.cycle.number - 1, CycleKind.EVALUATE: body.cycle.number}.get(body.cycle.kind)
    return experiment.watch if about is None else watch.seen(experiment.watch, experiment.spec, about, body.scores)


@_on(StoppedEarly)
def _stopped_early(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    return replace(experiment, watch=replace(experiment.watch, stopped=_body(record, StoppedEarly).cycle))


@_on(RateReduced)
def _rate_reduced(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, RateReduced)
    return replace(experiment, watch=watch.reduced(experiment.watch, body.cycle, body.factor))


@_on(ModelChosen)
def _chosen(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, ModelChosen)
    return replace(experiment, model=body.model, watch=replace(experiment.watch, chosen=body.cycle))


@_on(ModelFailed)
def _model_failed(experiment: Experiment, record: Record, _fleet: Fleet) -> Experiment:
    body = _body(record, ModelFailed)
    if _current(experiment, body) is None:
        return experiment
    return replace(experiment, cycle=None, attempts=MAX_TRIALS, abandoned=body.failure, phase=Phase.RUNNING)
