"""The server's part of SCAFFOLD: the mean of what edges found, and of how their control variates changed.

Source: Karimireddy et al., "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", ICML 2020, algorithm 1.
The model holds the server's c as tensors of its own; in an update these hold c_i' - c_i, which the edge rounded to the
tensor's type before it took it into its own c_i: so the server adds up what edges have really done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.domain.formats import Doubles, Values
from aggregator.domain.narrowing import narrowed
from aggregator.domain.strategies.mean import Stateless, pseudo_gradient, wide, wide_mean
from aggregator.domain.strategies.protocol import Piece
from bus.events.strategies import CONTROLS


@dataclass(frozen=True, slots=True)
class Scaffold(Stateless):
    """``x' = x + learning_rate (mean - x)``, ``c' = c + |S| / N mean``; every edge counts the same.

    Attributes:
        learning_rate: Of the server.
        edges: N; never taken for less than the number of updates.
    """

    learning_rate: float
    edges: int

    @property
    def needs_previous(self) -> bool:
        """Yes."""
        return True

    def weights(self, examples: Sequence[int]) -> Sequence[int]:
        """1 each, as in the paper."""
        return [1] * len(examples)

    def combine(self, piece: Piece, chosen: Sequence[int]) -> tuple[Values, Doubles | None]:
        """See ``Strategy``."""
        del chosen
        with np.errstate(all="ignore"):
            if piece.tensor.startswith(f"{CONTROLS}."):
                assert piece.previous is not None
                updates = len(piece.rows)
                share = updates / max(self.edges, updates)
                return narrowed(wide(piece.previous, piece) + share * wide_mean(piece), piece.form), None
            previous, gradient = pseudo_gradient(piece)
            return narrowed(previous + self.learning_rate * gradient, piece.form), None
