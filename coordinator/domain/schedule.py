"""The cycles of an experiment, in order."""

from __future__ import annotations

from bus.events.cycles import Cycle, CycleKind
from bus.events.experiments import ExperimentSubmitted


def schedule(cycles: int, passes: int) -> tuple[Cycle, ...]:
    """All cycles of an experiment, each as a first attempt.

    Args:
        cycles: How many of training.
        passes: How often the edges sum up their rows before.
    """
    return (
        *(Cycle(number=number, kind=CycleKind.STATISTICS) for number in range(passes)),
        Cycle(number=0, kind=CycleKind.INITIALISE),
        *(Cycle(number=number, kind=CycleKind.TRAIN) for number in range(1, cycles + 1)),
        Cycle(number=cycles, kind=CycleKind.EVALUATE),
    )


def preparing(passes: int) -> int:
    """Cycles before there is a global model: statistics, then initialisation."""
    return passes + 1


def beginning(asked: ExperimentSubmitted) -> int:
    """Index of the first cycle of its own: a fork begins behind the one from which it goes on, or with it anew."""
    origin = asked.origin
    return 0 if origin is None else preparing(asked.data.passes) + origin.cycle - (1 if origin.anew else 0)
