"""What a strategy is to the combiner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aggregator.domain.formats import FLOATS, Doubles, FloatFormat, Values
from bus.errors import Invalid
from bus.weights.layout import DType
from bus.weights.lockstep import BodyFailed


@dataclass(frozen=True, slots=True)
class Piece:
    """One run of elements of one learnt tensor.

    Attributes:
        dtype: A floating-point type.
        rows: Of each update, in the order of the closing; shape ``(size,)``, storage type of ``dtype``.
        weights: Of each update.
        previous: Of the last global model; ``None`` unless the strategy asks for it.
        state: Of the strategy, shape ``(size, slots)``; ``None`` if it keeps none.
        tensor: Name of the tensor.
    """

    dtype: DType
    rows: Sequence[Values]
    weights: Sequence[int]
    previous: Values | None = None
    state: Doubles | None = None
    tensor: str = ""

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.rows[0].size)

    def check(self) -> None:
        """Check that all rows are finite, for strategies that would not notice.

        Raises:
            BodyFailed: One is not.
        """
        scratch = np.empty(self.size, self.form.pattern)
        for index, row in enumerate(self.rows):
            try:
                self.form.span(row, scratch)
            except Invalid as error:
                raise BodyFailed(index, error) from error

    @property
    def form(self) -> FloatFormat:
        """The format of the rows."""
        return FLOATS[self.dtype]


class Survey(Protocol):
    """A first look at all updates, before any of them is combined."""

    def take(self, piece: Piece) -> None:
        """See one run of elements; all runs together are all learnt tensors, in any order.

        Raises:
            BodyFailed: An update holds a value that is not finite.
        """
        ...

    def choose(self) -> tuple[int, ...]:
        """Indices of the updates that count, rising."""
        ...


class Strategy(Protocol):
    """Turns the updates' versions of a run of elements into the next global model's."""

    @property
    def slots(self) -> Mapping[str, float]:
        """What it keeps from cycle to cycle per element -> the value at the beginning."""
        ...

    @property
    def needs_previous(self) -> bool:
        """Whether it needs the last global model."""
        ...

    def weights(self, examples: Sequence[int]) -> Sequence[int]:
        """What the updates weigh, by their example counts; for the tensors that are not learnt too."""
        ...

    def survey(self, updates: int) -> Survey | None:
        """How it looks at all of the updates first; ``None`` if it need not."""
        ...

    def combine(self, piece: Piece, chosen: Sequence[int]) -> tuple[Values, Doubles | None]:
        """The next global model's elements in the storage type of the piece, and the next state.

        Args:
            piece: What there is.
            chosen: What the survey chose; all updates if there was none.

        Raises:
            BodyFailed: An update holds a value that is not finite.
            Invalid: A result does not fit its type.
        """
        ...
