"""Floating-point elements as they are stored, as float64, and back; bfloat16 is stored as patterns in ``uint16``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bus.weights.layout import DType, Tensor

Stored: TypeAlias = NDArray[Any]
"""One-dimensional, in the storage type of a ``DType``."""
Doubles: TypeAlias = NDArray[np.float64]

_MEAN: Final = "mean"


@dataclass(frozen=True, slots=True)
class Float:
    """One format.

    Attributes:
        storage: numpy type in which elements are stored, little-endian.
        pattern: Unsigned integers of the same width.
        largest: Largest finite value.
    """

    storage: np.dtype[Any]
    pattern: np.dtype[Any]
    largest: float

    def widen(self, stored: Stored) -> Doubles:
        """As float64, exactly."""
        if self.storage.kind != "f":
            return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
        return stored.astype(np.float64)

    def nearest(self, values: Doubles) -> Stored:
        """To nearest, ties to even; what is beyond the largest finite value becomes that value. No value is NaN."""
        inside = np.clip(values, -self.largest, self.largest)
        return upper_half(inside) if self.storage.kind != "f" else inside.astype(self.storage)


def upper_half(values: Doubles) -> Stored:
    """As bfloat16 patterns. Rounding to float32 on the way is *to odd*, so that rounding twice rounds once.

    Source: Boldo, Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd",
    IEEE Transactions on Computers 57(4), 2008.
    """
    near = values.astype(np.float32)
    back = near.astype(np.float64)
    patterns = near.view(np.uint32).copy()
    patterns[np.abs(back) > np.abs(values)] -= np.uint32(1)
    patterns[back != values] |= np.uint32(1)
    patterns += np.uint32(0x7FFF) + ((patterns >> np.uint32(16)) & np.uint32(1))
    return (patterns >> np.uint32(16)).astype(np.uint16)


F64: Final = Float(np.dtype("<f8"), np.dtype("<u8"), float(np.finfo(np.float64).max))
F32: Final = Float(np.dtype("<f4"), np.dtype("<u4"), float(np.finfo(np.float32).max))
F16: Final = Float(np.dtype("<f2"), np.dtype("<u2"), float(np.finfo(np.float16).max))
BF16: Final = Float(np.dtype("<u2"), np.dtype("<u2"), (2 - 2.0**-7) * 2.0**127)

FLOATS: Final[Mapping[DType, Float]] = MappingProxyType(
    {DType.F64: F64, DType.F32: F32, DType.F16: F16, DType.BF16: BF16}
)


def encodable(tensor: Tensor) -> bool:
    """Whether updates of a tensor are encoded: floats that are averaged. All else travels byte for byte."""
    return tensor.reduction == _MEAN and tensor.dtype in FLOATS
