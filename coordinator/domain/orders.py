"""Which commands follow from a state. They are written once each, so ordering again is harmless."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bus.events import Command
from bus.events.base import PrincipalId
from bus.events.cycles import CancelExperiment, RunCycle
from coordinator.domain.state import Experiment, Failed, OpenCycle, Phase

_CANCEL_FOR: Final = timedelta(days=1)


def orders(experiment: Experiment, now: datetime) -> tuple[Command, ...]:
    """The commands that should have been given by now."""
    if experiment.cycle is None:
        return ()
    if to_cancel(experiment, now):
        return _cancel(experiment, experiment.cycle)
    if experiment.phase is Phase.RUNNING and experiment.cycle.closed is None:
        return tuple(_run(experiment, experiment.cycle, edge) for edge in experiment.cycle.awaited)
    return ()


def to_cancel(experiment: Experiment, now: datetime) -> bool:
    """Whether edges may still be at work for an experiment that is over."""
    ended = experiment.ended_at if experiment.phase in {Phase.ABORTED, Phase.FAILED} else None
    return experiment.cycle is not None and ended is not None and now - ended <= _CANCEL_FOR


def _cancel(experiment: Experiment, cycle: OpenCycle) -> tuple[Command, ...]:
    return tuple(
        CancelExperiment(edge=edge, experiment=experiment.id, turn=experiment.turn + 1) for edge in cycle.cohort
    )


def _run(experiment: Experiment, cycle: OpenCycle, edge: PrincipalId) -> RunCycle:
    answer = cycle.answers.get(edge)
    spec = experiment.spec
    return RunCycle(
        edge=edge,
        experiment=experiment.id,
        cycle=cycle.cycle,
        trial=answer.trials + 1 if isinstance(answer, Failed) else 1,
        owner=experiment.owner,
        deadline=cycle.deadline,
        framework=spec.framework,
        data=spec.data,
        seed=spec.seed,
        training=spec.training,
        limits=spec.limits,
        code=spec.code,
        model=cycle.model,
    )
