"""How a closed cycle's updates become its outcome, all but the bytes. Who averages and who proves go by the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aggregator.domain.citations import cited
from aggregator.domain.combine import Combiner, Surveyor
from aggregator.domain.strategies.protocol import Strategy
from aggregator.domain.strategies.registry import inputs_of, strategy_of
from aggregator.domain.surveying import UniterSurveyor
from aggregator.domain.unite import Uniter
from bus.events.base import OwnerId, PrincipalId
from bus.events.cycles import CycleClosed, UpdateSealed
from bus.weights.combining import Inputs


@dataclass(frozen=True)
class Recipe:
    """What goes into an outcome, and what is done with it.

    Attributes:
        closed: The closing.
        strategy: What combines.
        weights: Of each update, in the order of the closing.
        inputs: What is read.
    """

    closed: CycleClosed
    strategy: Strategy
    weights: tuple[int, ...]
    inputs: Inputs

    @classmethod
    def of(cls, closed: CycleClosed, owner: OwnerId, updates: Mapping[PrincipalId, UpdateSealed]) -> Recipe:
        """That of a closing.

        Args:
            closed: The closing.
            owner: Of the experiment.
            updates: By edge.

        Raises:
            BodyFailed: An update cannot be used; its index is that in ``closed.included``.
            Invalid: The strategy cannot work with this.
        """
        strategy = strategy_of(closed)
        weights = tuple(strategy.weights([contribution.weight for contribution in closed.included]))
        return cls(closed, strategy, weights, inputs_of(closed, strategy, cited(closed, owner, updates)))

    def surveyor(self) -> Surveyor | UniterSurveyor | None:
        """What looks at the inputs before they are combined, if the strategy chooses among them."""
        survey = self.strategy.survey(len(self.weights))
        if survey is None:
            return None
        return (UniterSurveyor if self.inputs.united else Surveyor)(survey, self.weights)

    def combiner(self, chosen: Sequence[int] | None, most_bytes: int | None = None) -> Combiner | Uniter:
        """What combines the inputs.

        Args:
            chosen: Indices of the updates that count; ``None`` for all.
            most_bytes: See ``Uniter``.
        """
        if self.inputs.united:
            return Uniter(self.weights, self.strategy, chosen, most_bytes=most_bytes)
        return Combiner(self.weights, self.strategy, chosen)

    def selected(self, chosen: Sequence[int] | None) -> tuple[PrincipalId, ...] | None:
        """The edges that were chosen; ``None`` if all count."""
        return None if chosen is None else tuple(self.closed.included[index].edge for index in chosen)

    def members(self, added: Mapping[str, Mapping[int, int]]) -> dict[str, dict[PrincipalId, int]] | None:
        """Group -> edge -> members that it adds, as ``model.averaged`` tells it; ``None`` if there are no groups."""
        edges = [contribution.edge for contribution in self.closed.included]
        return {group: {edges[index]: count for index, count in each.items()} for group, each in added.items()} or None
