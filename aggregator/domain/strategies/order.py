"""Order statistics: median and trimmed mean, element by element, every edge counting the same.

Source: Yin, Chen, Ramchandran, Bartlett, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates",
ICML 2018, definitions 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from aggregator.domain.formats import Doubles, FloatFormat, Values
from aggregator.domain.strategies.mean import Stateless, exact_mean
from aggregator.domain.strategies.protocol import Piece

_BLOCK: Final = 16 * 1024
"""Elements that are sorted at once: bounds the memory for a thousand updates to a few dozen MiB."""


def median(updates: int) -> slice:
    """The middle one of so many sorted values, or the middle two."""
    return slice((updates - 1) // 2, updates // 2 + 1)


def trimmed(beta: float) -> Callable[[int], slice]:
    """All but the ``floor(beta n)`` smallest and largest of n sorted values; beta as it is written, below 1/2."""
    share = Fraction(repr(beta))

    def kept(updates: int) -> slice:
        cut = int(share * updates)
        return slice(cut, updates - cut)

    return kept


@dataclass(frozen=True, slots=True)
class Ordered(Stateless):
    """The exact mean, rounded once, of some of the sorted values of each element.

    Attributes:
        kept: Number of updates -> which of the sorted values count.
    """

    kept: Callable[[int], slice]

    def combine(self, piece: Piece, chosen: Sequence[int]) -> tuple[Values, Doubles | None]:
        """See ``Strategy``."""
        del chosen
        piece.check()
        out = np.empty(piece.size, piece.form.storage)
        kept = self.kept(len(piece.rows))
        for begin in range(0, piece.size, _BLOCK):
            rows = _sorted([row[begin : begin + _BLOCK] for row in piece.rows], piece.form)[kept]
            out[begin : begin + _BLOCK] = exact_mean(piece.dtype, list(rows), [1] * len(rows))
        return out, None


def _sorted(rows: Sequence[Values], form: FloatFormat) -> Values:
    stack = np.stack(rows)
    if not form.raw:
        stack.sort(axis=0)
        return stack
    values = np.left_shift(stack, np.uint32(16), dtype=np.uint32).view(np.float32)
    values.sort(axis=0)
    patterns: Values = (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    return patterns
