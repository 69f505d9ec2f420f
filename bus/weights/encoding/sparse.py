"""Which elements of a run are sent, and how their positions are written.

Positions rise, so what is written is how many elements lie between one and the next. Three forms, of which the shortest
is taken, then the first of these:

==  =============================================================================================================
0   a bitmap: bit i of it, lowest first, stands for element i; ceil(n / 8) bytes
1   gaps of one byte each: 0 to 254 elements are skipped, then one is sent; 255 skips as many and sends none
2   gaps of two bytes each, likewise with 65535
==  =============================================================================================================

A form is one byte; the gaps are preceded by their number, four bytes. Gaps cannot name an element twice or go back.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bus.weights.encoding.floats import Doubles
from bus.weights.encoding.reading import Reader, refuse, shuffled

Positions = NDArray[np.int64]

_BITMAP: Final = 0
_SKIPS: Final = {1: 255, 2: 65535}
"""Form, which is also the bytes of a gap -> the gap that only skips."""
_COUNT_BYTES: Final = 4


def sent(count: int, keep: float) -> int:
    """How many of ``count`` elements are sent: ``ceil(keep count)``, as exactly as ``keep`` is written."""
    return min(count, math.ceil(count * keep))


def largest(magnitudes: Doubles, count: int) -> Positions:
    """Positions of the ``count`` largest of ``magnitudes``, rising; of equal ones the first count first."""
    size = magnitudes.size
    least = np.partition(magnitudes, size - count)[size - count]
    chosen = magnitudes > least
    ties = np.flatnonzero(magnitudes == least)
    chosen[ties[: count - int(np.count_nonzero(chosen))]] = True
    return np.flatnonzero(chosen)


def most_bytes(count: int) -> int:
    """The longest that the positions within ``count`` elements are written in."""
    return 1 + -(-count // 8)


def write(positions: Positions, count: int) -> bytes:
    """Positions among ``count`` elements."""
    shortest = _bitmap(positions, count)
    for form, skip in _SKIPS.items():
        gaps = _gaps(positions, skip)
        if 1 + _COUNT_BYTES + gaps.size * form < len(shortest):
            written = shuffled(gaps.astype(f"<u{form}"))
            shortest = bytes([form]) + gaps.size.to_bytes(_COUNT_BYTES, "little") + written
    return shortest


def read(reader: Reader, count: int, expected: int) -> Positions:
    """The positions of ``expected`` among ``count`` elements.

    Raises:
        Integrity: It is another number, one is beyond the last element, or the form is unknown.
    """
    form = reader.number(1)
    if form == _BITMAP:
        bits = np.unpackbits(reader.array(np.dtype("u1"), -(-count // 8)), bitorder="little")
        positions = np.flatnonzero(bits)
    elif form in _SKIPS:
        skip = _SKIPS[form]
        number = reader.number(_COUNT_BYTES)
        if number > expected + count // skip:
            refuse(f"it has {number} gaps for {expected} positions")
        gaps = reader.array(np.dtype(f"<u{form}"), number, shuffled=True).astype(np.int64)
        sends = gaps != skip
        positions = (np.cumsum(gaps + sends) - 1)[sends]
    else:
        refuse(f"positions are written in the form {form}, which is unknown")
    if positions.size != expected:
        refuse(f"it has {positions.size} positions where {expected} elements are sent")
    if positions.size and positions[-1] >= count:
        refuse(f"position {positions[-1]} is beyond the last of {count} elements")
    return positions


def _bitmap(positions: Positions, count: int) -> bytes:
    bits = np.zeros(count, np.uint8)
    bits[positions] = 1
    return bytes([_BITMAP]) + np.packbits(bits, bitorder="little").tobytes()


def _gaps(positions: Positions, skip: int) -> NDArray[np.int64]:
    """What is skipped before each position, and before it as many ``skip`` as are needed."""
    before = np.diff(positions, prepend=-1) - 1
    skips = before // skip
    gaps = np.full(positions.size + int(skips.sum()), skip, np.int64)
    gaps[np.cumsum(skips + 1) - 1] = before % skip
    return gaps
