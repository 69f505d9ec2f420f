"""The bytes of an accumulator: a fixed header, then a body that depends on its kind.

Header, little-endian, 64 bytes: magic ``MUSTACC1`` (8), kind and dtype (8 each, ASCII, padded with zeros), size,
weight bound, weight (8 each), first limb (signed, 4), number of limbs (4), zeros (8).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from aggregator.domain.blocks import Block
from bus.errors import Invalid
from bus.weights.layout import DType

_HEADER: Final = struct.Struct("<8s8s8sQQQiI8x")
_MAGIC: Final = b"MUSTACC1"


@dataclass(frozen=True, slots=True)
class Record:
    """An accumulator taken apart.

    Attributes:
        kind: The reduction's name.
        block: What was declared.
        weight: Total weight so far.
        first: Index of the lowest limb.
        count: Number of limbs.
        body: Limbs, or raw values.
    """

    kind: str
    block: Block
    weight: int
    first: int
    count: int
    body: bytes

    def to_bytes(self) -> bytes:
        """Header and body."""
        return self._header() + self.body

    def _header(self) -> bytes:
        block = self.block
        names = (self.kind.encode("ascii"), block.dtype.encode("ascii"))
        return _HEADER.pack(_MAGIC, *names, block.size, block.weight_bound, self.weight, self.first, self.count)

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Read the header; the body is checked by the accumulator.

        Raises:
            Invalid: The header is cut, of another version, or declares what no accumulator allows.
        """
        if len(data) < _HEADER.size or data[: len(_MAGIC)] != _MAGIC:
            raise Invalid("these bytes are not an accumulator of this version", code="accumulator.header")
        _, kind, dtype, size, bound, weight, first, count = _HEADER.unpack_from(data)
        try:
            names = [name.rstrip(b"\0").decode("ascii") for name in (kind, dtype)]
            block = Block(DType(names[1]), size, bound)
        except ValueError as error:
            raise Invalid("the accumulator's header names no known type", code="accumulator.header") from error
        record = cls(names[0], block, block.within(weight), first, count, data[_HEADER.size :])
        if record._header() != data[: _HEADER.size]:
            raise Invalid("the accumulator's header has stray bytes; it is damaged", code="accumulator.header")
        return record
