"""Exact weighted totals of integer blocks.

Values are cut into three digits of 22 bits, the upper one signed, and the digits are summed in int64. With a total
weight of at most ``2**36`` no digit sum exceeds ``2**58``: overflow is impossible.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.domain.canonical import Limbs, Part
from aggregator.domain.formats import Values
from bus.errors import Invalid

DIGIT_BITS: Final = 22
_MASK: Final = 2**DIGIT_BITS - 1
_TOP: Final = 2
"""Index of the signed digit."""


class IntegerTotal:
    """The exact sum of weighted blocks of one integer type.

    Args:
        size: Elements of a block.
        storage: Their numpy type.
    """

    def __init__(self, size: int, storage: np.dtype[Any]) -> None:
        self._storage = storage
        self._digits = np.zeros((_TOP + 1, size), np.int64)

    def add(self, values: Values, weight: int) -> None:
        """Add ``weight * values``.

        Args:
            values: Shape ``(size,)``, type ``storage``.
            weight: At least 1; those of all blocks together at most ``2**36``.
        """
        wide = values.astype(np.uint64 if self._storage.kind == "u" else np.int64)
        for position in range(_TOP + 1):
            digits = wide >> wide.dtype.type(position * DIGIT_BITS)
            if position != _TOP:
                digits &= wide.dtype.type(_MASK)
            self._digits[position] += digits.astype(np.int64) * weight

    def merge(self, other: IntegerTotal) -> None:
        """Add all of ``other``, a total of the same size and type."""
        self._digits += other._digits

    def rounded(self, divisor: int) -> Values:
        """The total over ``divisor`` (1 to ``2**36``), rounded half to even, in the type of the blocks.

        Long division in digits: a remainder below ``2**36`` and the next digit fit int64.

        Raises:
            Invalid: A result does not fit the type; ``index`` in the details is the first such element.
        """
        digits = _carry(self._digits.copy())
        quotients = np.empty_like(digits)
        quotients[_TOP], rest = np.divmod(digits[_TOP], divisor)
        for position in range(_TOP - 1, -1, -1):
            quotients[position], rest = np.divmod((rest << DIGIT_BITS) + digits[position], divisor)
        up = (2 * rest > divisor) | ((2 * rest == divisor) & (quotients[0] & 1 == 1))
        quotients[0] += up
        return self._assembled(_carry(quotients))

    def parts(self) -> Iterator[Part]:
        """The total as whole numbers."""
        for position, digits in enumerate(self._digits):
            yield Part(digits, position * DIGIT_BITS)

    def load(self, limbs: Limbs) -> None:
        """Add what ``canonical.encode`` made of another total.

        Raises:
            Invalid: The numbers exceed what a total weight of ``2**36`` can make.
        """
        for exponent, digits in limbs.digits():
            position = min(exponent // DIGIT_BITS, _TOP)
            shift = exponent - position * DIGIT_BITS
            largest = int(np.abs(digits).max())
            if exponent < 0 or largest << shift >= 2**58:
                raise Invalid("accumulator is out of range; it was not written by Muster", code="accumulator.range")
            self._digits[position] += digits << shift

    def _assembled(self, digits: NDArray[np.int64]) -> Values:
        limits = np.iinfo(self._storage)
        unit = 1 << (_TOP * DIGIT_BITS)
        fits = (digits[_TOP] >= limits.min // unit) & (digits[_TOP] <= limits.max // unit)
        wide = np.uint64 if self._storage.kind == "u" else np.int64
        result = np.zeros(fits.size, wide)
        for position, column in enumerate(np.where(fits, digits, 0)):
            result += column.astype(wide) << wide(position * DIGIT_BITS)
        fits &= (result >= limits.min) & (result <= limits.max)
        if not fits.all():
            index = int(np.flatnonzero(~fits)[0])
            message = f"element {index} does not fit {self._storage.name}; sum it in a wider type"
            raise Invalid(message, code="weights.overflow", index=index)
        return result.astype(self._storage)


def _carry(digits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bring all digits but the top one into 0 to ``2**22 - 1``, in place."""
    for position in range(_TOP):
        digits[position + 1] += digits[position] >> DIGIT_BITS
        digits[position] &= _MASK
    return digits
