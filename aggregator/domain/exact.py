"""Accumulators for one block of a tensor: the exact mean and the exact sum.

Both follow ``reductions.Accumulator``. Blocks of 64 to 128 Ki elements keep an accumulator in the processor's
cache. An accumulator is not for concurrent use; numpy releases the interpreter lock while it works, so that
accumulators of different blocks run in parallel threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol, Self

from aggregator.domain import canonical
from aggregator.domain.blocks import Block, some
from aggregator.domain.canonical import Limbs, Part
from aggregator.domain.floats import FloatTotal
from aggregator.domain.formats import FLOATS, INTEGERS, STORAGE, Values
from aggregator.domain.integers import IntegerTotal
from aggregator.domain.records import Record
from bus.errors import Invalid


class _Total(Protocol):
    """What ``FloatTotal`` and ``IntegerTotal`` have in common."""

    def add(self, values: Values, weight: int) -> None: ...

    def merge(self, other: Self) -> None: ...

    def rounded(self, divisor: int) -> Values: ...

    def parts(self) -> Iterator[Part]: ...

    def load(self, limbs: Limbs) -> None: ...


class _Exact:
    """What mean and sum share; they differ in what a weight means to the numbers."""

    kind: ClassVar[str]
    weighted: ClassVar[bool]

    def __init__(self, block: Block) -> None:
        self.block = block
        self.weight = 0
        self._total = _total(block)

    def add(self, values: Values, weight: int) -> None:
        """Take one update's block; refused blocks change nothing.

        Args:
            values: Shape ``(size,)``, in the storage type of the dtype; bfloat16 as raw ``uint16`` patterns.
            weight: Example count of the update, at least 1.

        Raises:
            Invalid: Type, shape, weight or total weight are not as declared, or a value is not finite (``index``).
        """
        weight_after = self.block.admit(values, weight, self.weight)
        self._total.add(values, self._factor(weight))
        self.weight = weight_after

    def merge(self, other: Self) -> None:
        """Take all that ``other`` has taken; it stays as it is.

        Raises:
            Invalid: It was declared otherwise, or the total weight exceeds the bound.
        """
        self.block.same(self.kind, other.block, other.kind)
        weight_after = self.block.within(self.weight + other.weight)
        self._total.merge(other._total)
        self.weight = weight_after

    def result(self) -> Values:
        """The correctly rounded result: to nearest, ties to even; a zero is always +0.0.

        Returns:
            Shape ``(size,)``, in the storage type of the dtype.

        Raises:
            Invalid: Nothing was added, or a result does not fit the dtype (``index``; a mean always fits).
        """
        some(self.weight)
        return self._total.rounded(self._factor(self.weight))

    def to_bytes(self) -> bytes:
        """The canonical bytes: the same for the same updates, whatever their order and grouping."""
        limbs = canonical.encode(self._total.parts(), self.block.size)
        return Record(self.kind, self.block, self.weight, limbs.first, len(limbs.words), limbs.to_bytes()).to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read back ``to_bytes``, to go on where it stopped.

        Raises:
            Invalid: These are not the bytes of such an accumulator.
        """
        record = Record.from_bytes(data)
        record.block.same(cls.kind, record.block, record.kind)
        limbs = canonical.decode(record.first, record.count, record.block.size, record.body)
        restored = cls(record.block)
        restored._total.load(limbs)
        restored.weight = record.weight
        return restored

    def _factor(self, weight: int) -> int:
        return weight if self.weighted else 1


class ExactMean(_Exact):
    """The mean of updates weighted by their example counts: ``sum(n_i * x_i) / sum(n_i)``.

    Of integers too: the exact quotient, rounded half to even.
    """

    kind = "mean"
    weighted = True


class ExactSum(_Exact):
    """The sum of updates. Weights are counted, to be compared with those of the means, but do not multiply."""

    kind = "sum"
    weighted = False


def _total(block: Block) -> _Total:
    if block.dtype in FLOATS:
        return FloatTotal(block.size, FLOATS[block.dtype])
    if block.dtype in INTEGERS:
        return IntegerTotal(block.size, STORAGE[block.dtype])
    known = ", ".join(sorted([*FLOATS, *INTEGERS]))
    raise Invalid(f"{block.dtype} has no mean or sum; known are {known}; use keep", code="weights.reduction")
