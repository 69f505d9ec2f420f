"""What a formula gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from bus.events.tallies import Bins

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """A metric of all rows.

    Attributes:
        value: The metric; with ``within``, the middle of where it can lie.
        within: Most by which it can differ; 0 where it is exact.
    """

    value: float
    within: float = 0.0


class Missing(Exception):
    """The metric has no value for these rows; the message says why."""


class Unknown(Exception):
    """The edges did not send what the metric follows from."""


def of_every(said: Iterable[T | None]) -> list[T]:
    """What every edge sent.

    Raises:
        Unknown: One of them sent none.
    """
    found = []
    for each in said:
        if each is None:
            raise Unknown
        found.append(each)
    return found


def together(histograms: Iterable[Bins]) -> Counter[int]:
    """Place of a bin -> how many are in it, over all histograms."""
    counts: Counter[int] = Counter()
    for bins in histograms:
        for place, count in zip(bins.places, bins.counts, strict=True):
            counts[place] += count
    return counts


def middle(least: float, most: float) -> Found:
    """Something that lies from ``least`` to ``most``."""
    return Found((least + most) / 2, (most - least) / 2)
