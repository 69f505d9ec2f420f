"""What a manifest may say about combining a tensor, and the accumulator that does it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol, Self

from aggregator.domain.blocks import Block
from aggregator.domain.exact import ExactMean, ExactSum
from aggregator.domain.formats import FLOATS, INTEGERS, Values
from aggregator.domain.keep import Keep
from aggregator.domain.records import Record
from bus.errors import Invalid
from bus.weights.layout import DType


class Reduction(StrEnum):
    """How the updates' versions of a tensor become one."""

    MEAN = "mean"
    """Weighted by example counts."""
    SUM = "sum"
    """Added up: statistics and counts."""
    KEEP = "keep"
    """All must be equal, bit by bit."""
    STATISTIC = "statistic"
    """As ``mean``, of floats that are not learnt, such as running means: strategies leave them alone."""


class Accumulator(Protocol):
    """An order-free reduction of one block; see ``exact.ExactMean`` for arguments and errors."""

    @property
    def block(self) -> Block:
        """What was declared."""
        ...

    @property
    def weight(self) -> int:
        """Total weight taken so far."""
        ...

    def add(self, values: Values, weight: int) -> None:
        """Take one update's block."""
        ...

    def merge(self, other: Self) -> None:
        """Take all that another one has taken."""
        ...

    def result(self) -> Values:
        """The combined block."""
        ...

    def to_bytes(self) -> bytes:
        """Canonical bytes, for ``restore``."""
        ...


_CLASSES: Final[dict[Reduction, type[ExactMean | ExactSum | Keep]]] = {
    Reduction.MEAN: ExactMean,
    Reduction.SUM: ExactSum,
    Reduction.KEEP: Keep,
    Reduction.STATISTIC: ExactMean,
}
_NUMBERS: Final = frozenset({*FLOATS, *INTEGERS})
SUPPORTED: Final[dict[Reduction, frozenset[DType]]] = {
    Reduction.MEAN: _NUMBERS,
    Reduction.SUM: _NUMBERS,
    Reduction.KEEP: frozenset(DType),
    Reduction.STATISTIC: frozenset(FLOATS),
}
"""The element types that each reduction can take."""


def accumulator(reduction: str, dtype: str, size: int, weight_bound: int) -> ExactMean | ExactSum | Keep:
    """A new accumulator for one block of a tensor.

    Args:
        reduction: Name of a ``Reduction``.
        dtype: Name of a ``DType``, as in safetensors.
        size: Elements of the block; 64 to 128 Ki is best.
        weight_bound: Declared bound on the sum of all weights, 1 to ``2**36``.

    Raises:
        Invalid: The combination is unknown (the message lists the known ones), or a number is out of range.
    """
    known_types = SUPPORTED.get(Reduction(reduction)) if reduction in set(Reduction) else None
    if known_types is None:
        known = ", ".join(Reduction)
        raise Invalid(f"reduction {reduction!r} is unknown; known are {known}", code="weights.reduction")
    if dtype not in known_types:
        known = ", ".join(sorted(known_types))
        raise Invalid(f"{reduction} of {dtype} is not possible; known are {known}", code="weights.reduction")
    return _CLASSES[Reduction(reduction)](Block(DType(dtype), size, weight_bound))


def restore(data: bytes) -> ExactMean | ExactSum | Keep:
    """The accumulator whose ``to_bytes`` gave ``data``.

    Raises:
        Invalid: It is cut, of another version, or was not written by Muster.
    """
    kind = Record.from_bytes(data).kind
    if kind not in set(Reduction):
        raise Invalid(
            f"accumulator of kind {kind!r} is unknown; known are {', '.join(Reduction)}", code="accumulator.header"
        )
    return _CLASSES[Reduction(kind)].from_bytes(data)
