"""The one rounding of a result: an exact sum over a whole number, to the nearest value of a format.

A quotient is first approximated in float64 with a known relative error, and rounded from both ends of the interval
in which the true one lies (Ziv, "Fast Evaluation of Elementary Mathematical Functions with Correctly Rounded Last
Bit", ACM TOMS 17(3), 1991). Where both ends round alike, that is the result. Elsewhere the two candidates are
neighbours in the format, and the exact sum is compared with the point half way between them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.domain.formats import F64, Doubles, FloatFormat, Values
from aggregator.domain.lanes import Lanes, Scratch
from aggregator.domain.products import push_product

MARGIN: Final = 2.0**-49
"""Relative half width of the interval: ``approximate`` and the division err by less than ``2**-50.9`` together."""


def quotient(lanes: Lanes, scratch: Scratch, divisor: int, form: FloatFormat) -> Values:
    """``lanes / divisor``, correctly rounded (ties to even); zero is always +0.0.

    Args:
        lanes: The exact sums, shape ``(scratch.size,)``. For float64, of magnitude below ``2**938``.
        scratch: The work arrays of ``lanes``.
        divisor: From 1 to ``2**36``.
        form: Format of the result. For float64, non-zero sums below ``2**-924`` give no sensible result.

    Returns:
        Shape ``(scratch.size,)``, type ``form.pattern``: bit patterns. Infinite where the quotient is too large.
    """
    approximation = lanes.approximate()
    approximation /= divisor
    if form is F64:
        inner, outer = _refine(lanes, scratch, approximation.copy(), divisor)
    else:
        inner, outer = _bracket(scratch, form)
    unsure = np.flatnonzero(inner != outer)
    if unsure.size:
        inner[unsure] = _decide(lanes, unsure, inner[unsure], outer[unsure], divisor, form)
    inner[inner == form.pattern.type(form.sign)] = 0
    return inner


def _bracket(scratch: Scratch, form: FloatFormat) -> tuple[Values, Values]:
    """Both ends of the interval around ``scratch.values`` in a narrow format, as bit patterns: inner and outer."""
    narrow = np.float32 if form.raw else form.storage
    with np.errstate(over="ignore", under="ignore"):
        inner = np.multiply(scratch.values, 1.0 - MARGIN, out=scratch.half).astype(narrow)
        outer = np.multiply(scratch.values, 1.0 + MARGIN, out=scratch.half).astype(narrow)
    if not form.raw:
        return inner.view(form.pattern), outer.view(form.pattern)
    # bfloat16 by way of float32: a value may already have been rounded to the half-way point between two results,
    # so round half down at the inner end and half up at the outer, and let such values be decided exactly.
    down = (inner.view(np.uint32) + np.uint32(0x7FFF)) >> np.uint32(16)
    up = (outer.view(np.uint32) + np.uint32(0x8000)) >> np.uint32(16)
    return down.astype(form.pattern), up.astype(form.pattern)


def _refine(lanes: Lanes, scratch: Scratch, approximation: Doubles, divisor: int) -> tuple[Values, Values]:
    """Both ends of a much smaller interval in float64, from the exact remainder of the approximation."""
    remainder = lanes.take(slice(None), scratch)
    _subtract(remainder, scratch, approximation, divisor, F64.precision)
    correction = remainder.approximate()
    correction /= divisor
    with np.errstate(under="ignore"):
        inner = approximation + np.multiply(correction, 1.0 - MARGIN, out=scratch.half)
        outer = approximation + np.multiply(correction, 1.0 + MARGIN, out=scratch.half)
    return inner.view(np.uint64), outer.view(np.uint64)


def _decide(
    lanes: Lanes, index: NDArray[np.intp], inner: Values, outer: Values, divisor: int, form: FloatFormat
) -> Values:
    """The right one of two neighbours, by the sign of ``sum - divisor * (inner + outer) / 2``."""
    scratch = Scratch(index.size)
    rest = lanes.take(index, scratch)
    one, other = (_widened(patterns, form) for patterns in (inner, outer))
    if form is F64:
        # The middle may need 54 bits.
        _subtract(rest, scratch, one * 0.5, divisor, F64.precision)
        _subtract(rest, scratch, other * 0.5, divisor, F64.precision)
    else:
        _subtract(rest, scratch, (one + other) * 0.5, divisor, form.precision + 1)
    sign = np.sign(rest.approximate())
    even = (outer & form.pattern.type(1)) == 0
    chosen: NDArray[Any] = np.where(sign == 0, even, (sign > 0) == (other > one))
    return np.where(chosen, outer, inner)


def _subtract(lanes: Lanes, scratch: Scratch, values: Doubles, divisor: int, precision: int) -> None:
    """Take ``divisor * values`` from the lanes."""
    np.copyto(scratch.values, values)
    span = F64.span(scratch.values, scratch.half.view(np.uint64))
    if span is not None:
        push_product(lanes, scratch, span, -divisor, precision)


def _widened(patterns: Values, form: FloatFormat) -> Doubles:
    """Patterns as float64; infinities at the next point of the format's grid, ``2**(bias + 1)``."""
    wide = np.empty(patterns.size, np.float64)
    form.widen(patterns.view(form.storage), wide)
    if form is not F64:
        np.clip(wide, -(2.0 ** (form.bias + 1)), 2.0 ** (form.bias + 1), out=wide)
    return wide
