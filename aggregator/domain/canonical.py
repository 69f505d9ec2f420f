"""The canonical form of an exact total: one byte string for one vector of numbers, however it was summed up.

Each element is a whole multiple of a power of two, written in two's complement as limbs of 32 bits: limb j counts
``2**(32 * j)``, the top limb is signed, all others are not. All elements of a block share the first and the last
limb, and neither range could be shorter. Bytes: limb by limb from the lowest, ``uint32`` little-endian.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bus.errors import Invalid

LIMB_BITS: Final = 32
_MASK: Final = np.int64(2**LIMB_BITS - 1)


@dataclass(frozen=True, slots=True)
class Part:
    """Whole numbers to be added up: ``integers * 2**exponent``, one for each element of the block.

    Of one block there are either at most three parts below ``2**59``, or fewer than 128 below ``2**52``, so that
    their limbs add up within int64.
    """

    integers: NDArray[np.int64]
    exponent: int


@dataclass(frozen=True, slots=True)
class Limbs:
    """A block in canonical form.

    Attributes:
        first: Index j of the lowest limb; 0 if there is none.
        words: uint32, shape ``(count, size)``.
    """

    first: int
    words: NDArray[np.uint32]

    def digits(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The limbs as ``(exponent, digits)`` whose sum is the block; only the top ones may be negative."""
        last = len(self.words) - 1
        for row, words in enumerate(self.words):
            signed = words.view(np.int32) if row == last else words
            yield LIMB_BITS * (self.first + row), signed.astype(np.int64)

    def to_bytes(self) -> bytes:
        """The limbs alone: ``4 * count * size`` bytes."""
        return self.words.astype("<u4").tobytes()


def encode(parts: Iterable[Part], size: int) -> Limbs:
    """Add up ``parts`` into the canonical form of a block of ``size`` elements."""
    columns: defaultdict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(size, np.int64))
    for part in parts:
        row, shift = divmod(part.exponent, LIMB_BITS)
        low = (part.integers & _MASK) << shift
        high = ((part.integers >> LIMB_BITS) << shift) + (low >> LIMB_BITS)
        columns[row] += low & _MASK
        columns[row + 1] += high
    if not columns:
        return Limbs(0, np.empty((0, size), np.uint32))
    # Sums stay below 2**63, so that two more limbs take up every carry and leave the sign alone.
    rows = range(min(columns), max(columns) + 3)
    words = _carried([columns[row] for row in rows])
    return _trimmed(rows.start, words)


def decode(first: int, count: int, size: int, data: bytes) -> Limbs:
    """Read back what ``Limbs.to_bytes`` wrote.

    Raises:
        Invalid: The length is wrong, or the form is not the shortest.
    """
    if len(data) != 4 * count * size:
        raise Invalid(
            f"accumulator has {len(data)} bytes of limbs, expected {4 * count * size}; it was cut or is another one",
            code="accumulator.length",
        )
    limbs = Limbs(first, np.frombuffer(data, "<u4").astype(np.uint32).reshape(count, size))
    shortest = _trimmed(first, limbs.words)
    if (shortest.first, len(shortest.words)) != (first, count):
        raise Invalid("accumulator is not in canonical form; it was not written by Muster", code="accumulator.form")
    return limbs


def _carried(columns: list[NDArray[np.int64]]) -> NDArray[np.uint32]:
    words = np.empty((len(columns), columns[0].size), np.uint32)
    carry = np.zeros_like(columns[0])
    for row, column in enumerate(columns):
        total = column + carry
        words[row] = total & _MASK
        carry = total >> LIMB_BITS
    return words


def _trimmed(first: int, words: NDArray[np.uint32]) -> Limbs:
    signed = words.view(np.int32)
    last, lowest = len(words), 0
    # A top limb that only repeats the sign of the one below says nothing.
    while last > 1 and np.array_equal(signed[last - 1], signed[last - 2] >> 31):
        last -= 1
    while lowest < last and not words[lowest].any():
        lowest += 1
    if lowest == last:
        return Limbs(0, np.empty((0, words.shape[1]), np.uint32))
    return Limbs(first + lowest, np.ascontiguousarray(words[lowest:last]))
