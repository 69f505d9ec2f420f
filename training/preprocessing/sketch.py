"""Quantiles from counts that add up over edges, in two passes.

First every value is counted in its octave, by sign and binary exponent. That tells in which octave each wanted order
statistic lies; these octaves are then counted in 1024 equal parts. Counts are whole numbers, so neither the order of
the edges nor how rows are divided among them matters, and finding the part of a value (``frexp``) is exact on every
machine. An order statistic x is known to within ``abs(x) / 1024``; of the two ends of its part the one nearer to zero
is taken, which is x itself for every number of at most 11 significant bits, such as whole numbers up to 2048.

The idea is that of DDSketch (Masson, Rim, Lee 2019: buckets of relative width, merged by adding counts) with its
linearly interpolated buckets; the second pass takes the place of many buckets that nobody looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

PARTS: Final = 1024
"""Parts of an octave."""
RELATIVE: Final = 1 / PARTS
"""An order statistic is known to within this share of its absolute value."""
_LEAST: Final = -1021
"""Binary exponent of the smallest normal number, as ``frexp`` has it; what is smaller counts as zero."""
_SIDE: Final = 1024 - _LEAST + 1
ZERO: Final = _SIDE
"""Place of zero among the octaves: negative ones, the largest first, are before it."""
OCTAVES: Final = 2 * _SIDE + 1

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]


def octaves(values: Numbers) -> Counts:
    """How many of ``values``, finite and of shape (rows,), lie in each octave; shape (OCTAVES,)."""
    return np.bincount(_octave(values), minlength=OCTAVES).astype(np.int64)


def refined(values: Numbers, octave: int) -> Counts:
    """How many of ``values`` lie in each part of an octave, in rising order of the values; shape (PARTS,)."""
    mantissa, _ = np.frexp(np.abs(values[_octave(values) == octave]))
    parts = ((mantissa - 0.5) * (2 * PARTS)).astype(np.int64)
    counts = np.bincount(parts, minlength=PARTS).astype(np.int64)
    return counts if octave > ZERO else counts[::-1].copy()


def rounded(values: Numbers) -> Numbers:
    """``values``, each as the end of its part that is nearer to zero, which is what a quantile is told as."""
    mantissa, exponents = np.frexp(values)
    result: Numbers = np.ldexp(np.trunc(mantissa * (2 * PARTS)) / (2 * PARTS), exponents)
    return result


def wanted(counts: Counts, probabilities: Iterable[float]) -> tuple[int, ...]:
    """Octaves but zero's that must be refined to know quantiles, in rising order.

    Args:
        counts: By octave, over all edges.
        probabilities: Of the quantiles.
    """
    total = int(counts.sum())
    if not total:
        return ()
    ranks = np.array([rank for p in probabilities for rank in _ranks(p, total)[:2]])
    places = np.searchsorted(np.cumsum(counts), ranks, side="right")
    return tuple(int(place) for place in np.unique(places) if place != ZERO)


@dataclass(frozen=True)
class Sketch:
    """What is known about the values of one column over all edges.

    Attributes:
        counts: By octave.
        parts: Octave -> counts by part, of those that were refined.
    """

    counts: Counts
    parts: dict[int, Counts]

    def quantile(self, probability: float) -> float:
        """A quantile, interpolated between order statistics as ``numpy.quantile`` does; 0 if there is no value."""
        total = int(self.counts.sum())
        if not total:
            return 0.0
        low, high, share = _ranks(probability, total)
        below, above = (min(self._bounds(rank), key=abs) for rank in (low, high))
        return below + (above - below) * share

    def quantiles(self, probabilities: Sequence[float]) -> Numbers:
        """Several, in order, never falling."""
        return np.maximum.accumulate(np.array([self.quantile(p) for p in probabilities], np.float64))

    def outermost(self) -> tuple[float, float]:
        """Ends of the first and the last part that hold a value: no value lies beyond them; 0 if there is none.

        ``quantile`` of 0 and 1 must be among what was refined.
        """
        total = int(self.counts.sum())
        return (self._bounds(0)[0], self._bounds(total - 1)[1]) if total else (0.0, 0.0)

    def _bounds(self, rank: int) -> tuple[float, float]:
        """Between what the value with this many before it lies."""
        before = np.cumsum(self.counts)
        octave = int(np.searchsorted(before, rank, side="right"))
        if octave == ZERO:
            return 0.0, 0.0
        count, parts = int(self.counts[octave]), self.parts[octave]
        # Other edges may have answered in the second pass: then the parts tell what share of the octave lies where.
        left = (rank - int(before[octave]) + count) * int(parts.sum()) // count
        part = min(int(np.searchsorted(np.cumsum(parts), left, side="right")), PARTS - 1)
        if octave > ZERO:
            return _edge(octave - ZERO, part), _edge(octave - ZERO, part + 1)
        return -_edge(ZERO - octave, PARTS - part), -_edge(ZERO - octave, PARTS - part - 1)


def _octave(values: Numbers) -> NDArray[np.int64]:
    _, exponents = np.frexp(values)
    distance = np.maximum(exponents.astype(np.int64) - _LEAST + 1, 0)
    tiny = (distance == 0) | (values == 0)
    return np.where(tiny, ZERO, ZERO + np.where(values < 0, -distance, distance))


def _edge(distance: int, part: int) -> float:
    """Lower end of a part of the octave ``distance`` away from zero."""
    fraction = 0.5 + part / (2 * PARTS)
    most = float(np.finfo(np.float64).max)
    return min(float(np.ldexp(fraction / 2, distance + _LEAST - 1)) * 2, most)


def _ranks(probability: float, total: int) -> tuple[int, int, float]:
    """Order statistics, counted from 0, between which a quantile lies, and how far between them."""
    exact = probability * (total - 1)
    low = min(int(exact), total - 1)
    return low, min(low + 1, total - 1), exact - low
