"""Exact weighted totals of floating-point blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np

from aggregator.domain.canonical import LIMB_BITS, Limbs, Part
from aggregator.domain.formats import F64, Doubles, FloatFormat, Span, Values
from aggregator.domain.lanes import LOWEST, Lanes, Scratch, integers
from aggregator.domain.products import push_product
from aggregator.domain.rounding import quotient
from bus.errors import Invalid

HUGE: Final = 900
"""float64 values from ``2**HUGE`` on are summed apart, scaled down, since weighted they could overflow."""
SCALE: Final = 700
"""Huge values are scaled by ``2**-SCALE``, which is exact."""
TINY: Final = 2.0**-924
"""float64 sums below this are divided in whole numbers: corrections of their quotients could underflow."""

_Scaled: TypeAlias = tuple[Doubles, int, int]
"""Values, g, shift: multiples of ``2**g``, to be scaled by ``2**shift``."""


class FloatTotal:
    """The exact sum of weighted blocks in one floating-point format.

    There are lanes for all values but huge ones, and a second set for those, which almost never exists.

    Args:
        size: Elements of a block.
        form: Their format.
    """

    def __init__(self, size: int, form: FloatFormat) -> None:
        self._form = form
        self._scratch = Scratch(size)
        self._patterns = np.empty(size, form.pattern)
        self._lanes = Lanes(self._scratch)
        self._huge: Lanes | None = None

    def add(self, values: Values, weight: int) -> None:
        """Add ``weight * values``; a block with a value that is not finite changes nothing.

        Args:
            values: Shape ``(size,)``, type ``form.storage``.
            weight: At least 1.

        Raises:
            Invalid: A value is not finite.
        """
        span = self._form.span(values, self._patterns)
        if span is None:
            return
        self._form.widen(values, self._scratch.values)
        if span.top > HUGE:
            span = self._add_huge(span, weight)
        push_product(self._lanes, self._scratch, span, weight, self._form.precision)

    def merge(self, other: FloatTotal) -> None:
        """Add all of ``other``, a total of the same size and format."""
        self._lanes.merge(other._lanes)
        if other._huge is not None:
            self._huge_lanes().merge(other._huge)

    def rounded(self, divisor: int) -> Values:
        """The total over ``divisor`` (1 to ``2**36``), correctly rounded, ties to even; zero is always +0.0.

        Raises:
            Invalid: A result is too large for the format; ``index`` in the details is the first such element.
        """
        form = self._form
        patterns = quotient(self._lanes, self._scratch, divisor, form)
        if form is F64:
            self._replace_outliers(patterns, divisor)
        magnitudes = np.bitwise_and(patterns, form.pattern.type(form.sign - 1), out=self._patterns)
        if int(magnitudes.max()) >= form.infinity:
            index = int(np.flatnonzero(magnitudes >= form.pattern.type(form.infinity))[0])
            message = f"element {index} is too large for the tensor's format; sum it in a wider type"
            raise Invalid(message, code="weights.overflow", index=index)
        return patterns.view(form.storage)

    def parts(self) -> Iterator[Part]:
        """The total as whole numbers, in no canonical way."""
        for values, exponent, shift in self._scaled():
            yield Part(integers(values, exponent), exponent + shift)

    def load(self, limbs: Limbs) -> None:
        """Add what ``canonical.encode`` made of another total.

        Raises:
            Invalid: There are limbs beyond what this format and a total weight of ``2**36`` can fill.
        """
        form = self._form
        for exponent, digits in limbs.digits():
            # The lowest limb may begin below the smallest number of the format; there it is zero.
            excess = max(1 - form.bias - form.fraction_bits - exponent, 0)
            if excess >= LIMB_BITS or exponent > form.bias + 37 or np.any(digits & (2**excess - 1)):
                raise Invalid("accumulator is out of range; it was not written by Muster", code="accumulator.range")
            huge = exponent + LIMB_BITS > HUGE
            lanes, low = (self._huge_lanes(), exponent - SCALE) if huge else (self._lanes, exponent + excess)
            np.copyto(self._scratch.values, np.ldexp((digits >> excess).astype(np.float64), low))
            lanes.push(self._scratch.values, low + LIMB_BITS, low)

    def _huge_lanes(self) -> Lanes:
        if self._huge is None:
            self._huge = Lanes(self._scratch)
        return self._huge

    def _add_huge(self, span: Span, weight: int) -> Span:
        """Add the huge ones of the values in the scratch, and leave the others there."""
        values = self._scratch.values
        mask = np.abs(values) >= 2.0**HUGE
        others = np.where(mask, 0.0, values)
        np.multiply(values, 2.0**-SCALE, out=values)
        np.copyto(values, 0.0, where=~mask)
        bounds = Span(span.top - SCALE, HUGE - F64.precision + 1 - SCALE)
        push_product(self._huge_lanes(), self._scratch, bounds, weight, F64.precision)
        np.copyto(values, others)
        return Span(HUGE, min(span.low, HUGE))

    def _scaled(self) -> Iterator[_Scaled]:
        yield from ((values, exponent, 0) for values, exponent in self._lanes.parts())
        if self._huge is not None:
            yield from ((values, exponent, SCALE) for values, exponent in self._huge.parts())

    def _replace_outliers(self, patterns: Values, divisor: int) -> None:
        """Divide in whole numbers what needs more than the range of float64."""
        sums = np.abs(self._lanes.approximate())
        mask = (sums < TINY) & (sums > 0.0)
        parts = list(self._scaled())
        for values, _, shift in parts:
            if shift:
                mask |= values != 0.0
        for index in np.flatnonzero(mask):
            exact = _divide(_whole(parts, int(index)), divisor << -LOWEST)
            patterns[index] = np.float64(exact).view(np.uint64)


def _whole(parts: list[_Scaled], index: int) -> int:
    """One element as a multiple of ``2**LOWEST``."""
    return sum(int(math.ldexp(float(v[index]), -g)) << (g + shift - LOWEST) for v, g, shift in parts)


def _divide(numerator: int, denominator: int) -> float:
    """Correctly rounded, as Python divides whole numbers; infinite if too large; never -0.0."""
    try:
        return numerator / denominator + 0.0
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf
