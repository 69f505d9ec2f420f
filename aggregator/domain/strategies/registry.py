"""From a name and parameters to a strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from aggregator.domain.strategies.encoded import check_encoded
from aggregator.domain.strategies.krum import Krum
from aggregator.domain.strategies.mean import Mean
from aggregator.domain.strategies.optimisers import Adaptive, Momentum, Second, adagrad, adam, yogi
from aggregator.domain.strategies.order import Ordered, median, trimmed
from aggregator.domain.strategies.protocol import Strategy
from bus.errors import Invalid, MusterError
from bus.events.cycles import CycleClosed, CycleKind
from bus.events.strategies import Values, enough, settled
from bus.events.weights import SealedObject
from bus.weights.combining import Inputs
from bus.weights.lockstep import BodyFailed

Maker = Callable[[Values], Strategy]


def _adaptive(given: Values, second: Second) -> Strategy:
    return Adaptive(given["learning_rate"], given["beta_1"], given["tau"], second)


def _plain(_given: Values) -> Strategy:
    return Mean()


STRATEGIES: Final[Mapping[str, Maker]] = MappingProxyType(
    {
        "fedavg": _plain,
        "fedprox": _plain,
        "uniform": lambda _given: Mean(uniform=True),
        "fedavgm": lambda given: Momentum(given["learning_rate"], given["momentum"]),
        "fedadam": lambda given: _adaptive(given, adam(given["beta_2"])),
        "fedyogi": lambda given: _adaptive(given, yogi(given["beta_2"])),
        "fedadagrad": lambda given: _adaptive(given, adagrad),
        "fedmedian": lambda _given: Ordered(median),
        "fedtrimmedavg": lambda given: Ordered(trimmed(given["beta"])),
        "krum": lambda given: Krum(int(given["f"]), keep=1),
        "multikrum": lambda given: Krum(int(given["f"]), int(given["keep"])),
    }
)
"""How each is made from all of its parameters. Every name of ``bus.events.strategies`` is here, and no other."""


def strategy_of(closed: CycleClosed, strategies: Mapping[str, Maker] = STRATEGIES) -> Strategy:
    """What combines the updates of a closed cycle.

    A strategy is about learning. Statistics and first models are combined alike, whatever it is.

    Raises:
        Invalid: The strategy or a parameter is not known or out of bounds, or it needs more updates.
    """
    whole = settled(closed.strategy)
    if closed.cycle.kind is not CycleKind.TRAIN:
        return Mean()
    if whole.name not in strategies:
        raise Invalid(f"this aggregator cannot compute {whole.name!r}", code="strategy.unknown")
    enough(whole, len(closed.included))
    return strategies[whole.name](whole.parameters)


def inputs_of(closed: CycleClosed, strategy: Strategy, updates: Sequence[SealedObject]) -> Inputs:
    """What the strategy is to be given for a closed cycle.

    Raises:
        Invalid: It needs the last global model, and the closing names none.
        BodyFailed: An update is encoded in a way that cannot be used here.
    """
    for index, update in enumerate(updates):
        try:
            check_encoded(update, closed)
        except MusterError as error:
            raise BodyFailed(index, error) from error
    if not strategy.needs_previous:
        return Inputs(updates, closed.model if any(update.encoded for update in updates) else None)
    if closed.model is None:
        raise Invalid("the closing names no global model to go on from", code="strategy.state")
    return Inputs(updates, closed.model, closed.state)
