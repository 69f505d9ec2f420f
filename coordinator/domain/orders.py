"""Which commands follow from a state. They are written once each, so ordering again is harmless."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from bus.events import Command
from bus.events.base import PrincipalId
from bus.events.cycles import CancelExperiment, CycleKind, RunCycle
from bus.events.strategies import at_edges
from bus.events.weights import Encoding
from coordinator.domain.state import Experiment, Failed, OpenCycle, Phase

_CANCEL_FOR: Final = timedelta(days=1)


def orders(
    experiment: Experiment, now: datetime, given: Mapping[PrincipalId, int] = MappingProxyType({})
) -> tuple[Command, ...]:
    """The commands that should have been given by now.

    Args:
        experiment: About which.
        now: The time at the broker.
        given: Edge -> the last trial that it was told of in this cycle, or anything once the experiment is over: such
            commands are left out.
    """
    cycle = experiment.cycle
    if cycle is None:
        return ()
    if to_cancel(experiment, now):
        return tuple(
            CancelExperiment(edge=edge, experiment=experiment.id, turn=experiment.turn + 1)
            for edge in cycle.cohort
            if edge not in given
        )
    if experiment.phase is Phase.RUNNING and cycle.closed is None:
        failed = {edge for edge, answer in cycle.answers.items() if isinstance(answer, Failed)} & cycle.awaited
        again = {edge for edge in failed if given.get(edge) != _trial(cycle, edge)}
        return tuple(_run(experiment, cycle, edge) for edge in sorted((cycle.awaited - given.keys()) | again))
    return ()


def to_cancel(experiment: Experiment, now: datetime) -> bool:
    """Whether edges may still be at work for an experiment that is over."""
    ended = experiment.ended_at if experiment.phase in {Phase.ABORTED, Phase.FAILED} else None
    return experiment.cycle is not None and ended is not None and now - ended <= _CANCEL_FOR


def _trial(cycle: OpenCycle, edge: PrincipalId) -> int:
    answer = cycle.answers.get(edge)
    return answer.trials + 1 if isinstance(answer, Failed) else 1


def _run(experiment: Experiment, cycle: OpenCycle, edge: PrincipalId) -> RunCycle:
    spec = experiment.spec
    return RunCycle(
        edge=edge,
        experiment=experiment.id,
        cycle=cycle.cycle,
        trial=_trial(cycle, edge),
        owner=experiment.owner,
        deadline=cycle.deadline,
        framework=spec.framework,
        data=spec.data.at(edge),
        seed=spec.seed,
        training=spec.training,
        limits=spec.limits,
        code=spec.code,
        model=cycle.model,
        store=spec.store,
        encoding=spec.encoding if cycle.cycle.kind is CycleKind.TRAIN else Encoding(),
        strategy=at_edges(spec.strategy),
        pretrained=spec.pretrained if cycle.cycle.kind is CycleKind.INITIALISE else None,
        follows=experiment.counted.get(edge) if cycle.cycle.kind is CycleKind.TRAIN else None,
        rate_factor=cycle.rate_factor,
        with_validation=cycle.cycle.kind is CycleKind.EVALUATE and _judges(experiment),
    )


def _judges(experiment: Experiment) -> bool:
    """Whether the model to be evaluated may be the result, and nobody has received it in a training cycle."""
    return experiment.spec.callbacks.best is not None and experiment.watch.chosen is None
