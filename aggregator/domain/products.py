"""Weighted values, split so that every product is exact in float64."""

from __future__ import annotations

from typing import Final

import numpy as np

from aggregator.domain.formats import Doubles, Span
from aggregator.domain.lanes import Lanes, Scratch

DOUBLE: Final = 53
"""Significant bits of a float64."""
LOWER: Final = 27
"""Significant bits of the lower half of a split float64; the upper half keeps the other 26."""
HALF_LIMB: Final = DOUBLE - LOWER
"""Bits of a weight by which both halves of a float64 can be multiplied."""


def push_product(lanes: Lanes, scratch: Scratch, span: Span, weight: int, precision: int) -> None:
    """Add ``weight * scratch.values`` to ``lanes``; the values are overwritten.

    A factor of p significant bits times one of ``53 - p`` bits is exact in float64. So a weight is cut into limbs,
    and a full float64 first into two halves, by clearing its last 27 bits (Dekker, "A floating-point technique for
    extending the available precision", Numerische Mathematik 18, 1971, with a mask for the rounding).

    Args:
        lanes: Receives the products.
        scratch: ``values`` holds the factors.
        span: Bounds of the factors.
        weight: Any integer but zero; its sign counts.
        precision: Significant bits of the factors: at most 27, or 53.
    """
    if precision <= LOWER:
        _push_limbs(lanes, scratch.values, span, weight, DOUBLE - precision)
        return
    upper, lower = scratch.half, scratch.values
    np.bitwise_and(lower.view(np.uint64), np.uint64(2**64 - 2**LOWER), out=upper.view(np.uint64))
    np.subtract(lower, upper, out=lower)
    _push_limbs(lanes, upper, Span(span.top, span.low + LOWER), weight, HALF_LIMB)
    _push_limbs(lanes, lower, Span(max(span.top - HALF_LIMB, span.low), span.low), weight, HALF_LIMB)


def _push_limbs(lanes: Lanes, factors: Doubles, span: Span, weight: int, bits: int) -> None:
    sign, rest, shift = (-1 if weight < 0 else 1), abs(weight), 0
    while rest:
        limb = rest & (2**bits - 1)
        rest >>= bits
        if limb:
            # The last product may overwrite the factors; before it, each needs an array of its own.
            products = factors if not rest else np.empty_like(factors)
            np.multiply(factors, float(sign * limb << shift), out=products)
            lanes.push(products, span.top + limb.bit_length() + shift, span.low + shift)
        shift += bits
