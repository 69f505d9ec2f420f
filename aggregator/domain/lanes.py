"""Sums of float64 arrays without any rounding, in lanes of fixed-point numbers.

The method is the indexed, pre-rounded summation of Demmel and Nguyen ("Parallel Reproducible Summation", IEEE
Trans. Computers 64(7), 2015), built on Rump's ExtractVector ("Accurate Floating-Point Summation", SIAM J. Sci.
Comput. 31(1), 2008), carried on until nothing is left, so that it is exact rather than only reproducible.

A lane with quantum ``q = 2**g`` holds a multiple ``L`` of q, stored as the float64 ``a = 1.5 * 2**52 * q + L``.
Quanta of neighbouring lanes are ``WIDTH`` bits apart. To add y, for each lane from the top::

    t = a + y;  d = t - a;  y = y - d;  a = t

*Every line is exact but the first, and what the first rounds away goes to the next lane.* While
``2**52 * q <= a < 2**53 * q``, the spacing of floats around a is q, so that t is ``a + y`` rounded to a multiple
of q. Then d is a difference of two floats of one binade: exact. d is y rounded to a multiple of q, hence
``|y - d| <= q/2``; ``y - d`` is a multiple of the last bit of y and no larger than y: exact. The caller states
``low`` such that y is a multiple of ``2**low``; in the first lane with ``g <= low`` nothing is rounded away.

*A lane cannot leave its binade.* One push adds at most ``2**(WIDTH-1) * q`` to a lane: the first lane is chosen
so, the lower ones receive at most half a quantum of the lane above. After ``BUDGET = 2**(52-WIDTH) - 1`` pushes
``|L| < 2**51 * q``; then the lanes are pushed anew, which moves what outgrew a lane to the one above.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.domain.formats import Doubles

WIDTH: Final = 46
"""Bits between neighbouring lanes. Two lanes then hold a weighted float32 update of usual magnitudes."""
BUDGET: Final = 2 ** (52 - WIDTH) - 1
"""Pushes after which values must be carried upwards."""
HEADROOM: Final = 2
"""Bits left free at the first push, since the next updates may be a little larger."""
LOWEST: Final = -1074
"""Exponent of the smallest float64: every float64 is a multiple of ``2**LOWEST``."""
HIGHEST: Final = 960
"""Values must stay below ``2**HIGHEST``, so that no lane's offset overflows."""


class Scratch:
    """Work arrays shared by all lanes of one size; they make an accumulator unfit for concurrent use.

    Attributes:
        values: float64, shape ``(size,)``; free between calls.
        half: The same; the upper halves of split values.
        spare: The same; changes places with a lane at every push.
    """

    __slots__ = ("half", "size", "spare", "values")

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: Doubles = np.empty(size, np.float64)
        self.half: Doubles = np.empty(size, np.float64)
        self.spare: Doubles = np.empty(size, np.float64)


class Lanes:
    """An exact, order-free sum of float64 arrays of shape ``(scratch.size,)``."""

    __slots__ = ("_lanes", "_origin", "_pushes", "_scratch")

    def __init__(
        self,
        scratch: Scratch,
        lanes: dict[int, Doubles] | None = None,
        origin: int | None = None,
        pushes: int = 0,
    ) -> None:
        self._scratch = scratch
        self._lanes = {} if lanes is None else lanes
        self._origin = origin
        self._pushes = pushes

    def push(self, values: Doubles, top: int, low: int) -> None:
        """Add ``values``, which is overwritten.

        Args:
            values: float64, shape ``(size,)``; each ``|y| < 2**top`` and a multiple of ``2**low``.
            top: At most ``HIGHEST``.
            low: At least ``LOWEST``.
        """
        if self._pushes == BUDGET:
            self._carry()
        self._pushes += 1
        exponent = self._first(top)
        while exponent > low:
            lane, total = self._lane(exponent), self._scratch.spare
            np.add(lane, values, out=total)
            np.subtract(total, lane, out=lane)
            np.subtract(values, lane, out=values)
            self._lanes[exponent], self._scratch.spare = total, lane
            exponent = max(exponent - WIDTH, LOWEST)
        lane = self._lane(exponent)
        np.add(lane, values, out=lane)

    def merge(self, other: Lanes) -> None:
        """Add all of ``other``, which stays as it is."""
        for values, exponent in list(other.parts()):
            self._push_part(values, exponent)

    def parts(self) -> Iterator[tuple[Doubles, int]]:
        """Copies of the lanes as ``(values, g)``, from the top: multiples of ``2**g`` below ``2**(51+g)``."""
        for exponent in sorted(self._lanes, reverse=True):
            yield self._lanes[exponent] - _offset(exponent), exponent

    def take(self, index: NDArray[np.intp] | slice, scratch: Scratch) -> Lanes:
        """A copy of the elements at ``index``, of which there are ``scratch.size``."""
        lanes = {exponent: np.array(lane[index]) for exponent, lane in self._lanes.items()}
        return Lanes(scratch, lanes, self._origin, self._pushes)

    def approximate(self) -> Doubles:
        """The sums in ``scratch.values``, with a relative error below ``2**-51``; each has the sign of the exact sum.

        Lanes are added from the top. While the partial sum t is exact there is no error. From the first inexact
        addition on, at quantum q, ``|t| >= 2**53 * q``, and the lanes below hold less than ``2**50 * q``: they cannot
        cancel it. Two additions round by ``2**-53`` each; what the others can move is below ``2**-90`` of t.
        """
        total, part = self._scratch.values, self._scratch.spare
        total.fill(0.0)
        for exponent in sorted(self._lanes, reverse=True):
            np.subtract(self._lanes[exponent], _offset(exponent), out=part)
            np.add(total, part, out=total)
        return total

    def _first(self, top: int) -> int:
        assert LOWEST <= top <= HIGHEST, top
        if self._origin is None:
            self._origin = top + HEADROOM - (WIDTH - 1)
        # The lowest quantum of the grid with 2**(WIDTH-1) * q >= 2**top.
        steps = -((self._origin + WIDTH - 1 - top) // WIDTH)
        return max(self._origin + steps * WIDTH, LOWEST)

    def _lane(self, exponent: int) -> Doubles:
        lane = self._lanes.get(exponent)
        if lane is None:
            lane = self._lanes[exponent] = np.full(self._scratch.size, _offset(exponent))
        return lane

    def _push_part(self, values: Doubles, exponent: int) -> None:
        largest = max(float(values.max()), -float(values.min()))
        if largest > 0.0:
            self.push(values, math.frexp(largest)[1], exponent)

    def _carry(self) -> None:
        # At most 2098 / WIDTH + 1 lanes, fewer than BUDGET: this does not recur.
        parts = list(self.parts())
        self._lanes, self._pushes = {}, 0
        for values, exponent in parts:
            self._push_part(values, exponent)


def _offset(exponent: int) -> float:
    """The value of an empty lane: three quarters up the binade whose float64 spacing is ``2**exponent``."""
    return math.ldexp(1.5, 52 + exponent)


def integers(values: Doubles, exponent: int) -> NDArray[np.int64]:
    """A part as integers: ``values / 2**exponent``."""
    scaled: NDArray[Any] = np.ldexp(values, -exponent)
    return scaled.astype(np.int64)
