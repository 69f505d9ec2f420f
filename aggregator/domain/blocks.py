"""What is declared of a block before any update arrives, and the checks that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aggregator.domain.formats import STORAGE, Values
from bus.errors import Invalid
from bus.weights.layout import DType

LARGEST_BOUND: Final = 2**36
"""Most examples that one cycle may count: sums of integers and quotients are proved exact up to here."""
LARGEST_SIZE: Final = 2**24
"""Most elements of a block: far more than fits a cache, and little enough for a damaged header to ask for."""


@dataclass(frozen=True, slots=True)
class Block:
    """What is known of a block before any update arrives.

    Attributes:
        dtype: Element type.
        size: Elements, 1 to ``LARGEST_SIZE``.
        weight_bound: Declared bound on the total weight, 1 to ``LARGEST_BOUND``.
    """

    dtype: DType
    size: int
    weight_bound: int

    def __post_init__(self) -> None:
        if not 1 <= self.size <= LARGEST_SIZE:
            raise Invalid(f"block size is {self.size}, expected 1 to {LARGEST_SIZE}", code="accumulator.size")
        if not 1 <= self.weight_bound <= LARGEST_BOUND:
            message = f"total weight bound is {self.weight_bound}, expected 1 to 2**36; count examples, not values"
            raise Invalid(message, code="accumulator.bound")

    def admit(self, values: Values, weight: int, total: int) -> int:
        """Check one contribution, and give the new total weight.

        Raises:
            Invalid: Type, shape or weight are not what was declared.
        """
        expected = STORAGE[self.dtype]
        if values.dtype != expected or values.shape != (self.size,):
            message = f"block is {values.dtype}{values.shape}, expected {expected}({self.size},)"
            raise Invalid(message, code="weights.block")
        if type(weight) is not int or weight < 1:
            raise Invalid(f"weight is {weight!r}, expected an int from 1: the example count", code="weights.weight")
        return self.within(total + weight)

    def within(self, total: int) -> int:
        """``total``, unless it exceeds the bound.

        Raises:
            Invalid: It does.
        """
        if total > self.weight_bound:
            message = f"total weight {total} exceeds the declared bound {self.weight_bound}; check the example counts"
            raise Invalid(message, code="weights.bound", total=total, bound=self.weight_bound)
        return total

    def same(self, kind: str, other: Block, other_kind: str) -> None:
        """Check that two accumulators were declared alike.

        Raises:
            Invalid: They were not.
        """
        if (kind, self) != (other_kind, other):
            message = f"accumulator is {other_kind} of {other}, expected {kind} of {self}"
            raise Invalid(message, code="accumulator.mismatch")


def some(weight: int) -> None:
    """Check that anything was added.

    Raises:
        Invalid: ``weight`` is 0.
    """
    if weight == 0:
        raise Invalid("the accumulator is empty: no update was added", code="accumulator.empty")
