"""Krum and Multi-Krum: only the updates that are near to most others count.

Source: Blanchard, El Mhamdi, Guerraoui, Stainer, "Machine Learning with Adversaries: Byzantine Tolerant Gradient
Descent", NeurIPS 2017. With n updates of which f may be anything, n >= 2 f + 3, the score of an update is the sum of
the squared distances to its n - f - 2 nearest ones; the lowest score wins.

Distances go over all learnt tensors. Each difference and each square is one float64 operation; their sum is exact, a
whole number of units of ``2**-1126``, and so are scores: neither chunks nor orders can change what is chosen. A tie
goes to the update that comes first in the closing, which is in the order of the edges' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from aggregator.domain.formats import Doubles, Values
from aggregator.domain.strategies.mean import Stateless, exact_mean, wide
from aggregator.domain.strategies.protocol import Piece, Survey

_LARGEST: Final = float(np.finfo(np.float64).max)
_EXPONENTS: Final = 2098
"""Of float64, subnormal numbers included."""
_LOWEST: Final = -1073
"""The exponent that frexp gives to the smallest number."""
_HALF: Final = 2.0**26
_BLOCK: Final = 64 * 1024
"""Elements at once; sums of half significands stay below ``2**53`` up to ``2**26`` of them."""


def exact_sum(values: Doubles) -> int:
    """The sum of finite numbers from 0, exactly, in units of ``2**-1126``."""
    significands, exponents = np.frexp(values)
    significands *= 2.0**53
    upper = np.floor(significands / _HALF)
    lower = significands - upper * _HALF
    places = exponents - _LOWEST
    total = 0
    for halves, shift in ((upper, 26), (lower, 0)):
        # Whole numbers below 2**53 throughout: float64 adds them exactly, in any order.
        sums = np.bincount(places, weights=halves, minlength=_EXPONENTS)
        for place in np.flatnonzero(sums):
            total += int(sums[place]) << (int(place) + shift)
    return total


class Distances:
    """The squared distances between all pairs of updates.

    Args:
        updates: How many there are.
        strategy: Whose survey it is.
    """

    def __init__(self, updates: int, strategy: Krum) -> None:
        self._updates = updates
        self._strategy = strategy
        self._pairs = dict.fromkeys(combinations(range(updates), 2), 0)

    def take(self, piece: Piece) -> None:
        """See ``Survey``. A square beyond float64 counts as its largest number."""
        piece.check()
        for begin in range(0, piece.size, _BLOCK):
            part = Piece(piece.dtype, [row[begin : begin + _BLOCK] for row in piece.rows], piece.weights)
            rows = [wide(row, part) for row in part.rows]
            with np.errstate(all="ignore"):
                for one, other in self._pairs:
                    difference = rows[one] - rows[other]
                    squares = np.minimum(difference * difference, _LARGEST)
                    self._pairs[one, other] += exact_sum(squares)

    def choose(self) -> tuple[int, ...]:
        """See ``Survey``."""
        return self._strategy.chosen(self._pairs, self._updates)


@dataclass(frozen=True, slots=True)
class Krum(Stateless):
    """The mean of the updates with the lowest scores, every one counting the same.

    Attributes:
        bad: How many updates may be anything at all: f.
        keep: How many count; 0 for n - f.
    """

    bad: int
    keep: int

    def survey(self, updates: int) -> Survey | None:
        """Distances between all pairs."""
        return Distances(updates, self)

    def chosen(self, pairs: dict[tuple[int, int], int], updates: int) -> tuple[int, ...]:
        """The updates with the lowest scores.

        Args:
            pairs: Two indices, the lower first -> squared distance.
            updates: How many there are.
        """
        near = updates - self.bad - 2
        scores = []
        for one in range(updates):
            distances = sorted(distance for pair, distance in pairs.items() if one in pair)
            scores.append((sum(distances[:near]), one))
        keep = self.keep or updates - self.bad
        return tuple(sorted(index for _, index in sorted(scores)[:keep]))

    def combine(self, piece: Piece, chosen: Sequence[int]) -> tuple[Values, Doubles | None]:
        """See ``Strategy``."""
        rows = [piece.rows[index] for index in chosen]
        return exact_mean(piece.dtype, rows, [1] * len(rows)), None
