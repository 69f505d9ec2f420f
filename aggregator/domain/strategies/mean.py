"""Means: fedavg, uniform and, at the server, fedprox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.domain.blocks import Block
from aggregator.domain.exact import ExactMean
from aggregator.domain.formats import Doubles, Values
from aggregator.domain.strategies.protocol import Piece, Survey
from bus.errors import Invalid
from bus.weights.layout import DType
from bus.weights.lockstep import BodyFailed


def exact_mean(dtype: DType, rows: Sequence[Values], weights: Sequence[int]) -> Values:
    """The correctly rounded weighted mean of ``rows``, in their own type.

    Raises:
        BodyFailed: A value is not finite.
    """
    return _added(dtype, rows, weights).result()


def _added(dtype: DType, rows: Iterable[Values], weights: Sequence[int]) -> ExactMean:
    total: ExactMean | None = None
    for index, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        total = total or ExactMean(Block(dtype, int(row.size), sum(weights)))
        try:
            total.add(row, weight)
        except Invalid as error:
            raise BodyFailed(index, error) from error
    assert total is not None
    return total


def wide(values: Values, piece: Piece) -> Doubles:
    """``values`` as float64, exactly."""
    out = np.empty(piece.size, np.float64)
    piece.form.widen(values, out)
    return out


def pseudo_gradient(piece: Piece) -> tuple[Doubles, Doubles]:
    """The last global model as float64, and how far the exact mean of the updates is from it.

    The mean is rounded to float64 and not to the tensor's type, in which a small step would be lost.
    """
    assert piece.previous is not None
    previous = wide(piece.previous, piece)
    return previous, wide_mean(piece) - previous


def wide_mean(piece: Piece) -> Doubles:
    """The exact weighted mean of the updates, rounded to float64."""
    mean: Doubles = _added(DType.F64, (wide(row, piece) for row in piece.rows), piece.weights).result()
    return mean


@dataclass(frozen=True, slots=True)
class Stateless:
    """What strategies have in common that need the updates and nothing else."""

    @property
    def slots(self) -> Mapping[str, float]:
        """None."""
        return {}

    @property
    def needs_previous(self) -> bool:
        """No."""
        return False

    def weights(self, examples: Sequence[int]) -> Sequence[int]:
        """The example counts."""
        return list(examples)

    def survey(self, updates: int) -> Survey | None:
        """None."""
        del updates
        return None


@dataclass(frozen=True, slots=True)
class Mean(Stateless):
    """The exact mean, rounded once.

    Sources: McMahan et al., AISTATS 2017; the server's part of Li et al., MLSys 2020.

    Attributes:
        uniform: Whether every edge counts the same.
    """

    uniform: bool = False

    def weights(self, examples: Sequence[int]) -> Sequence[int]:
        """The example counts, or 1 each."""
        return [1] * len(examples) if self.uniform else list(examples)

    def combine(self, piece: Piece, chosen: Sequence[int]) -> tuple[Values, Doubles | None]:
        """See ``Strategy``."""
        del chosen
        return exact_mean(piece.dtype, piece.rows, piece.weights), None
