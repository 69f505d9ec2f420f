"""An experiment as its own events alone tell it, without those of others: what is read again, or proved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bus.events.cycles import CycleClosed, CycleKind, ModelAveraged
from bus.events.experiments import ExperimentStarted
from bus.wire.record import Record
from coordinator.domain.evolve import evolve
from coordinator.domain.forks import taken_over
from coordinator.domain.schedule import beginning
from coordinator.domain.state import Experiment, Fleet


@dataclass(frozen=True)
class Recalled:
    """An experiment as its own events alone tell it: whose it is, what it was about, which models it made and how.

    Attributes:
        experiment: What is said of answers in it is not to be relied on: that takes the fleet of the time.
        closings: Number of a training cycle -> how it was closed.
    """

    experiment: Experiment
    closings: Mapping[int, CycleClosed]


def recall(records: Iterable[Record]) -> Recalled | None:
    """An experiment from all its events; ``None`` if there are none."""
    experiment: Experiment | None = None
    closings: dict[int, CycleClosed] = {}
    for record, before, after in states(records):
        experiment = after
        cycle = before.cycle if before is not None else None
        made = isinstance(record.body, ModelAveraged) and after is not None and after.cycle is None
        if made and cycle is not None and cycle.closed is not None and cycle.cycle.kind is CycleKind.TRAIN:
            closings[cycle.cycle.number] = cycle.closed
    return None if experiment is None else Recalled(experiment, closings)


def states(records: Iterable[Record]) -> Iterator[tuple[Record, Experiment | None, Experiment | None]]:
    """Each event of an experiment, with the experiment before and after it, as ``Recalled`` has it.

    Args:
        records: All its events, in order.
    """
    experiment: Experiment | None = None
    for record in records:
        before, experiment = experiment, evolve(experiment, record, Fleet())
        if isinstance(record.body, ExperimentStarted) and experiment is not None:
            origin = experiment.spec.origin
            if origin is not None:  # it was found true, else it would not have started
                experiment = replace(experiment, step=beginning(experiment.spec))
                if not origin.anew:
                    models, kept = taken_over(origin)
                    experiment = replace(experiment, model=origin.model, models=models, states=kept)
        yield record, before, experiment
