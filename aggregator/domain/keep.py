"""The accumulator of tensors that must not differ."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from aggregator.domain.blocks import Block, some
from aggregator.domain.formats import STORAGE, Values
from aggregator.domain.records import Record
from bus.errors import Integrity, Invalid


class Keep:
    """The block that all updates have in common, bit by bit; not-a-number and infinities may be part of it."""

    kind: ClassVar[str] = "keep"

    def __init__(self, block: Block) -> None:
        self.block = block
        self.weight = 0
        self._first = np.zeros(block.size, STORAGE[block.dtype])

    def add(self, values: Values, weight: int) -> None:
        """Take one update's block.

        Args:
            values: As in ``ExactMean.add``.
            weight: Likewise; only counted.

        Raises:
            Invalid: Type, shape or weight are not as declared.
            Integrity: A value differs from that of an earlier update; ``index`` is the first such element.
        """
        weight_after = self.block.admit(values, weight, self.weight)
        if self.weight == 0:
            self._first = values.copy()
        self._compare(values)
        self.weight = weight_after

    def merge(self, other: Keep) -> None:
        """Take all that ``other`` has taken.

        Raises:
            Invalid: It was declared otherwise, or the total weight exceeds the bound.
            Integrity: Its values differ; ``index`` is the first such element.
        """
        self.block.same(self.kind, other.block, other.kind)
        weight_after = self.block.within(self.weight + other.weight)
        if self.weight == 0:
            self._first = other._first.copy()
        elif other.weight:
            self._compare(other._first)
        self.weight = weight_after

    def result(self) -> Values:
        """The common block; shape ``(size,)``.

        Raises:
            Invalid: Nothing was added.
        """
        some(self.weight)
        return self._first.copy()

    def to_bytes(self) -> bytes:
        """Canonical bytes, as for ``ExactMean``."""
        little = self._first.astype(self._first.dtype.newbyteorder("<"))
        return Record(self.kind, self.block, self.weight, 0, 0, little.tobytes()).to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Keep:
        """Read back ``to_bytes``.

        Raises:
            Invalid: These are not the bytes of such an accumulator.
        """
        record = Record.from_bytes(data)
        record.block.same(cls.kind, record.block, record.kind)
        restored = cls(record.block)
        if (record.first, record.count, len(record.body)) != (0, 0, restored._first.nbytes):
            raise Invalid("accumulator has another length than its header says; it was cut", code="accumulator.length")
        little = STORAGE[record.block.dtype].newbyteorder("<")
        restored._first = np.frombuffer(record.body, little).astype(STORAGE[record.block.dtype])
        restored.weight = record.weight
        return restored

    def _compare(self, values: Values) -> None:
        pattern = np.dtype(f"u{values.dtype.itemsize}")
        differs = values.view(pattern) != self._first.view(pattern)
        if differs.any():
            index = int(np.flatnonzero(differs)[0])
            message = f"element {index} differs between updates, but the tensor's reduction is keep"
            raise Integrity(message, code="weights.keep", index=index)
