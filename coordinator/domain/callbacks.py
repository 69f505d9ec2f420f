"""What the scores of an experiment's global models call for: at most one event at a time."""

from __future__ import annotations

from bus.events import Event
from bus.events.callbacks import (
    NOT_FINITE,
    EarlyStopping,
    ModelChosen,
    Monitor,
    RateReduced,
    ReduceOnPlateau,
    Standing,
    StoppedEarly,
)
from bus.events.experiments import Failure
from coordinator.domain.schedule import preparing
from coordinator.domain.state import Experiment, Failed, OpenCycle


def called_for(experiment: Experiment) -> Event | None:
    """What has to be said between two cycles because of scores, or ``None``.

    Stopping goes before a lower rate, which would no longer be used.
    """
    callbacks, done = experiment.spec.callbacks, trained(experiment)
    if 0 < done < experiment.last_cycle:
        if callbacks.early_stopping is not None and (said := _stop(experiment, callbacks.early_stopping, done)):
            return said
        if callbacks.reduce_on_plateau is not None:
            return _reduce(experiment, callbacks.reduce_on_plateau, done)
    if done > experiment.last_cycle and callbacks.best is not None and experiment.watch.chosen is None:
        return _choose(experiment, callbacks.best)
    return None


def trained(experiment: Experiment) -> int:
    """Number of the newest training cycle that is over; one more once its model was evaluated, below 1 before any."""
    return experiment.step - preparing(experiment.spec.data.passes)


def fatal(experiment: Experiment, cycle: OpenCycle) -> Failure | None:
    """The failure that ends the experiment although others may make a quorum: an edge's numbers are not finite."""
    if not experiment.spec.callbacks.terminate_on_nan:
        return None
    failures = (answer.failure for _, answer in sorted(cycle.answers.items()) if isinstance(answer, Failed))
    return next((failure for failure in failures if failure.code == NOT_FINITE), None)


def _stop(experiment: Experiment, asked: EarlyStopping, done: int) -> StoppedEarly | None:
    stands = experiment.watch.stopping
    if stands.stale < asked.patience:
        return None
    return StoppedEarly(
        experiment=experiment.id,
        cycle=done,
        monitor=asked.monitor,
        standing=stands,
        reason=f"{_stale(stands, asked.monitor, asked.min_delta)}: patience {asked.patience}",
    )


def _reduce(experiment: Experiment, asked: ReduceOnPlateau, done: int) -> RateReduced | None:
    stands, before = experiment.watch.plateau, experiment.rate_factor
    if stands.stale < asked.patience or before <= asked.floor:
        return None
    factor = max(before * asked.factor, asked.floor)
    return RateReduced(
        experiment=experiment.id,
        cycle=done,
        factor=factor,
        before=before,
        monitor=asked.monitor,
        standing=stands,
        reason=f"{_stale(stands, asked.monitor, asked.min_delta)}: {factor:g} of the plan's learning rate from here",
    )


def _choose(experiment: Experiment, monitor: Monitor) -> ModelChosen:
    stands = experiment.watch.result
    cycle = experiment.last_cycle if stands.best_cycle is None else stands.best_cycle
    reason = f"no model had a value of {monitor}: the last one is the result"
    if stands.best is not None:
        reason = f"{monitor} was best with {stands.best:.6g}"
        if cycle != stands.last_cycle:
            reason += f"; the last model has {stands.last:.6g}"
    return ModelChosen(
        experiment=experiment.id,
        cycle=cycle,
        model=experiment.models[cycle],
        monitor=monitor,
        standing=stands,
        reason=reason,
    )


def _stale(stands: Standing, monitor: Monitor, min_delta: float) -> str:
    than = f"{stands.best:.6g} of cycle {stands.best_cycle}"
    by = f" by more than {min_delta:g}" if min_delta else ""
    models = "1 global model" if stands.stale == 1 else f"{stands.stale} global models in a row"
    last = f"the last, of cycle {stands.last_cycle}, has {stands.last:.6g}"
    return f"{models} with {monitor} no better{by} than {than} ({last})"
