"""How an experiment begins that goes on from another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bus.events.base import ExperimentId, MessageId, PrincipalId
from bus.events.cycles import CycleClosed
from bus.events.experiments import ExperimentSubmitted, Failure, FailurePhase, Origin, Strategy
from bus.events.strategies import lacking
from bus.events.weights import SealedObject
from bus.wire.record import Record
from coordinator.domain.schedule import beginning
from coordinator.domain.state import MAX_TRIALS, Experiment


def forked(
    experiment: Experiment, origin: Origin, parent: Experiment | None, closing: CycleClosed | None
) -> Experiment:
    """An experiment that was just submitted as a fork: it begins with its parent's model, if that is what it says.

    Args:
        experiment: The fork.
        origin: Where it says that it begins.
        parent: The experiment named there, if there is such a one.
        closing: How the cycle named there was closed, if that is known.
    """
    spec = experiment.spec
    problem = None
    if parent is None or parent.owner != experiment.owner:
        problem = f"there is no experiment {origin.experiment} of this owner"
    elif parent.models.get(origin.cycle) != origin.model:
        problem = f"experiment {origin.experiment} has no such model of cycle {origin.cycle}"
    elif parent.watch.factor_after(origin.cycle) != origin.rate_factor:
        problem = (
            f"after cycle {origin.cycle}, experiment {origin.experiment} had its learning rate at "
            f"{parent.watch.factor_after(origin.cycle):g} of the plan's, not at {origin.rate_factor:g}"
        )
    elif (unfit := _unfit(spec.strategy, origin, parent)) is not None:
        problem = unfit
    elif origin.anew and (origin.cycle < 1 or _took_over(parent, origin.cycle)):
        problem = f"experiment {origin.experiment} did not train cycle {origin.cycle}: it has no updates to average"
    elif (parent.spec.data, parent.spec.framework) != (spec.data, spec.framework):
        problem = "a fork keeps its parent's dataset, columns and framework"
    elif spec.cycles < origin.cycle:
        problem = f"the fork ends at cycle {spec.cycles}, before cycle {origin.cycle} from which it goes on"
    if problem is not None:
        failure = Failure(category="model", code="fork.origin", message=problem, phase=FailurePhase.SUBMIT)
        return replace(experiment, attempts=MAX_TRIALS, abandoned=failure)
    if origin.anew:
        assert parent is not None
        before = closing.model if closing is not None else parent.models.get(origin.cycle - 1)
        same = closing is not None and closing.strategy.name == spec.strategy.name
        state = closing.state if closing is not None and same else None
        return replace(
            experiment,
            step=beginning(spec),
            model=before,
            state=state,
            inherited=closing,
        )
    models, states = taken_over(origin)
    return replace(
        experiment,
        step=beginning(spec),
        model=origin.model,
        models=models,
        state=origin.state,
        states=states,
        counted=counted_by(closing, {}) if closing is not None else {},
    )


def counted_by(closing: CycleClosed, before: Mapping[PrincipalId, MessageId]) -> dict[PrincipalId, MessageId]:
    """Edge -> its last update that counted, once what was closed is averaged."""
    return {**before, **{each.edge: each.update for each in closing.included}}


def parent_of(record: Record) -> ExperimentId | None:
    """The experiment that a world has to know, or be told of (``World.recall``), before it folds ``record``."""
    body = record.body
    return body.origin.experiment if isinstance(body, ExperimentSubmitted) and body.origin is not None else None


def taken_over(origin: Origin) -> tuple[dict[int, SealedObject], dict[int, SealedObject]]:
    """The model that a fork takes over, and the state, by cycle."""
    return {origin.cycle: origin.model}, {origin.cycle: origin.state} if origin.state is not None else {}


def _unfit(strategy: Strategy, origin: Origin, parent: Experiment) -> str | None:
    """Why the strategy cannot go on from there; ``None`` if it can."""
    before = parent.spec.strategy
    if origin.state not in {None, parent.states.get(origin.cycle)}:
        return f"experiment {origin.experiment} kept no such state of its strategy after cycle {origin.cycle}"
    if origin.state is not None and (origin.anew or before.name != strategy.name):
        return f"the state is that of {before.name}, which does not go on here"
    return lacking(strategy, before)


def _took_over(parent: Experiment, cycle: int) -> bool:
    origin = parent.spec.origin
    return origin is not None and not origin.anew and origin.cycle == cycle
