"""Optimisers at the server: the way from the last global model to the mean of the updates is taken for a gradient.

Everything is elementwise in float64, in the order in which it is written; the state stays float64 from cycle to cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.domain.formats import Doubles, Values
from aggregator.domain.narrowing import narrowed
from aggregator.domain.strategies.mean import pseudo_gradient
from aggregator.domain.strategies.protocol import Piece, Survey
from bus.errors import Invalid

Second = Callable[[Doubles, Doubles], Doubles]
"""Old v and squared pseudo-gradient -> new v."""


@dataclass(frozen=True, slots=True)
class _Optimiser:
    """What they share.

    Attributes:
        learning_rate: Of the server.
    """

    learning_rate: float

    @property
    def needs_previous(self) -> bool:
        """Yes."""
        return True

    def weights(self, examples: Sequence[int]) -> Sequence[int]:
        """The example counts."""
        return list(examples)

    def survey(self, updates: int) -> Survey | None:
        """None."""
        del updates
        return None

    def combine(self, piece: Piece, chosen: Sequence[int]) -> tuple[Values, Doubles | None]:
        """See ``Strategy``."""
        del chosen
        assert piece.state is not None
        with np.errstate(all="ignore"):
            previous, gradient = pseudo_gradient(piece)
            step, *state = self._step(gradient, [piece.state[:, slot] for slot in range(piece.state.shape[1])])
            after = np.stack(state, axis=1)
            if not np.isfinite(after).all():
                index = int(np.flatnonzero(~np.isfinite(after).all(axis=1))[0])
                raise Invalid(
                    f"element {index} of the server's state is too large", code="weights.overflow", index=index
                )
            return narrowed(previous + self.learning_rate * step, piece.form), after

    def _step(self, gradient: Doubles, state: Sequence[Doubles]) -> tuple[Doubles, ...]:
        """The direction, then the new state."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Momentum(_Optimiser):
    """Momentum: ``m' = momentum * m + d``, ``x' = x + learning_rate * m'``.

    Source: Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
    Classification", 2019 (FedAvgM); their d has the other sign.

    Attributes:
        momentum: Share of the old m.
    """

    momentum: float

    @property
    def slots(self) -> Mapping[str, float]:
        """Only m."""
        return {"m": 0.0}

    def _step(self, gradient: Doubles, state: Sequence[Doubles]) -> tuple[Doubles, ...]:
        first = self.momentum * state[0] + gradient
        return first, first


@dataclass(frozen=True, slots=True)
class Adaptive(_Optimiser):
    """Adaptive step sizes: ``m' = beta_1 m + (1 - beta_1) d``, ``x' = x + learning_rate * m' / (sqrt(v') + tau)``.

    Source: Reddi et al., "Adaptive Federated Optimization", ICLR 2021, algorithm 2. There is no bias correction in it,
    and v begins at tau squared, the least that it allows.

    Attributes:
        beta_1: Share of the old m.
        tau: Least divisor.
        second: How v grows: what tells adam, yogi and adagrad apart.
    """

    beta_1: float
    tau: float
    second: Second

    @property
    def slots(self) -> Mapping[str, float]:
        """Means of the pseudo-gradient and of its square."""
        return {"m": 0.0, "v": self.tau * self.tau}

    def _step(self, gradient: Doubles, state: Sequence[Doubles]) -> tuple[Doubles, ...]:
        first = self.beta_1 * state[0] + (1.0 - self.beta_1) * gradient
        second = self.second(state[1], gradient * gradient)
        return first / (np.sqrt(second) + self.tau), first, second


def adam(beta_2: float) -> Second:
    """``v' = beta_2 v + (1 - beta_2) d^2``."""

    def second(v: Doubles, square: Doubles) -> Doubles:
        grown: Doubles = beta_2 * v + (1.0 - beta_2) * square
        return grown

    return second


def yogi(beta_2: float) -> Second:
    """``v' = v - (1 - beta_2) d^2 sign(v - d^2)``."""

    def second(v: Doubles, square: Doubles) -> Doubles:
        grown: Doubles = v - (1.0 - beta_2) * square * np.sign(v - square)
        return grown

    return second


def adagrad(v: Doubles, square: Doubles) -> Doubles:
    """``v' = v + d^2``."""
    return v + square
