"""Number formats of tensors: names as in safetensors, and the bit layout of the floating-point ones.

bfloat16 has no numpy type: its values are raw ``uint16`` patterns, the upper half of a float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bus.errors import Invalid
from bus.weights.layout import DType

Values: TypeAlias = NDArray[Any]
"""One block of a tensor, one-dimensional, in the storage type of its ``DType``."""
Doubles: TypeAlias = NDArray[np.float64]


STORAGE: Final[Mapping[str, np.dtype[Any]]] = {
    DType.F64: np.dtype(np.float64),
    DType.F32: np.dtype(np.float32),
    DType.F16: np.dtype(np.float16),
    DType.BF16: np.dtype(np.uint16),
    DType.I64: np.dtype(np.int64),
    DType.I32: np.dtype(np.int32),
    DType.I16: np.dtype(np.int16),
    DType.I8: np.dtype(np.int8),
    DType.U64: np.dtype(np.uint64),
    DType.U32: np.dtype(np.uint32),
    DType.U16: np.dtype(np.uint16),
    DType.U8: np.dtype(np.uint8),
    DType.BOOL: np.dtype(np.bool_),
}
"""The numpy type in which a block of each ``DType`` is handed over, by its name."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is known of every value x of a block: ``|x| < 2**top``, and x is a multiple of ``2**low``."""

    top: int
    low: int


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """Bit layout of one IEEE 754 style binary format.

    Attributes:
        storage: numpy type in which values are handed over.
        pattern: Unsigned integer type of the same width.
        fraction_bits: Stored bits of the significand.
        bias: Exponent bias, which is also the largest exponent of a finite value.
    """

    storage: np.dtype[Any]
    pattern: np.dtype[Any]
    fraction_bits: int
    bias: int

    @property
    def precision(self) -> int:
        """Significant bits, the hidden one included."""
        return self.fraction_bits + 1

    @property
    def raw(self) -> bool:
        """Whether values come as bit patterns, because numpy has no such float type."""
        return self.storage.kind != "f"

    @property
    def infinity(self) -> int:
        """Pattern of +infinity; every finite magnitude has a smaller one."""
        return (2 * self.bias + 1) << self.fraction_bits

    @property
    def sign(self) -> int:
        """Pattern of -0.0: the sign bit alone."""
        return int(1 << (8 * self.pattern.itemsize - 1))

    def span(self, values: Values, scratch: Values) -> Span | None:
        """Bounds of a block, from the extremes of its bit patterns.

        Args:
            values: Block in this format, shape ``(n,)``.
            scratch: Overwritten; type ``pattern``, at least n elements.

        Returns:
            The bounds, or None if all values are zero.

        Raises:
            Invalid: A value is not finite; ``index`` in the details is the first such element.
        """
        magnitudes = np.bitwise_and(
            values.view(self.pattern), self.pattern.type(self.sign - 1), out=scratch[: values.size]
        )
        largest = int(magnitudes.max())
        if largest >= self.infinity:
            index = int(np.flatnonzero(magnitudes >= self.pattern.type(self.infinity))[0])
            message = f"element {index} is not finite; updates hold finite numbers only"
            raise Invalid(message, code="weights.not_finite", index=index)
        if largest == 0:
            return None
        # Zero wraps round to the largest pattern, so that the minimum is over the others.
        np.subtract(magnitudes, self.pattern.type(1), out=magnitudes)
        smallest = int(magnitudes.min()) + 1
        return Span(top=self._exponent(largest) + 1, low=self._exponent(smallest) - self.fraction_bits)

    def _exponent(self, magnitude: int) -> int:
        # Subnormal numbers share the exponent of the smallest normal ones.
        return max(magnitude >> self.fraction_bits, 1) - self.bias

    def widen(self, values: Values, out: Doubles) -> None:
        """Write ``values`` as float64 into ``out``, exactly."""
        if self.raw:
            values = np.left_shift(values, np.uint32(16), dtype=np.uint32).view(np.float32)
        np.copyto(out, values)


F64: Final = FloatFormat(np.dtype(np.float64), np.dtype(np.uint64), fraction_bits=52, bias=1023)
F32: Final = FloatFormat(np.dtype(np.float32), np.dtype(np.uint32), fraction_bits=23, bias=127)
F16: Final = FloatFormat(np.dtype(np.float16), np.dtype(np.uint16), fraction_bits=10, bias=15)
BF16: Final = FloatFormat(np.dtype(np.uint16), np.dtype(np.uint16), fraction_bits=7, bias=127)

FLOATS: Final[dict[DType, FloatFormat]] = {DType.F64: F64, DType.F32: F32, DType.F16: F16, DType.BF16: BF16}
INTEGERS: Final[frozenset[DType]] = frozenset(set(DType) - set(FLOATS) - {DType.BOOL})
