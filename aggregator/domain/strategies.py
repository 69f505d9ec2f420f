"""How updates become a model: the strategies by name, and what each makes of the example counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bus.errors import Invalid
from bus.events.cycles import CycleClosed, CycleKind

FEDAVG: Final = "fedavg"
"""Mean weighted by example counts: McMahan et al., "Communication-Efficient Learning of Deep Networks from
Decentralized Data", AISTATS 2017."""
UNIFORM: Final = "uniform"
"""Mean in which every edge counts the same: the unweighted variant of the above."""
STRATEGIES: Final = (FEDAVG, UNIFORM)


def weights(closed: CycleClosed) -> Sequence[int]:
    """The weight of each update, in the order of the closing.

    A strategy is about learning. Statistics and first models are combined alike, whatever it is.

    Raises:
        Invalid: The strategy is not known.
    """
    examples = [contribution.weight for contribution in closed.included]
    name = closed.strategy.name
    if name not in STRATEGIES:
        raise Invalid(f"strategy {name!r} is not known; known are {', '.join(STRATEGIES)}", code="strategy.unknown")
    if closed.cycle.kind is CycleKind.TRAIN and name == UNIFORM:
        return [1] * len(examples)
    return examples
