"""The cycles of an experiment, in order."""

from __future__ import annotations

from typing import Final

from bus.events.cycles import Cycle, CycleKind

PREPARING: Final = 2
"""Cycles before there is a global model: statistics, then initialisation."""


def schedule(cycles: int) -> tuple[Cycle, ...]:
    """All cycles of an experiment with ``cycles`` training cycles, each as a first attempt."""
    return (
        Cycle(number=0, kind=CycleKind.STATISTICS),
        Cycle(number=0, kind=CycleKind.INITIALISE),
        *(Cycle(number=number, kind=CycleKind.TRAIN) for number in range(1, cycles + 1)),
        Cycle(number=cycles, kind=CycleKind.EVALUATE),
    )
