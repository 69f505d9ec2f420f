"""The outcomes of an experiment as its history tells them, each with the closing and the updates that led to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from bus.events.base import OwnerId, PrincipalId
from bus.events.cycles import CycleClosed, CycleKind, ModelAveraged, ModelEvaluated, Source, UpdateSealed
from coordinator.domain.state import Experiment
from muster.client import Client


@dataclass(frozen=True)
class Outcome:
    """One outcome.

    Attributes:
        body: What the aggregator said.
        closing: What it answered.
        updates: Of the closing, by edge in its order.
    """

    body: ModelAveraged | ModelEvaluated
    closing: CycleClosed
    updates: Mapping[PrincipalId, UpdateSealed]

    @property
    def cycle(self) -> str:
        """Which cycle, e.g. ``3-train-1``."""
        return str(self.body.cycle)

    @property
    def is_model(self) -> bool:
        """Whether it is a global model, and not sums or scores."""
        return self.body.cycle.kind in {CycleKind.INITIALISE, CycleKind.TRAIN}


async def outcomes(client: Client, experiment: Experiment) -> AsyncIterator[Outcome]:
    """Every outcome of ``experiment``, in order."""
    closed: dict[tuple[str, int], CycleClosed] = {}
    own: dict[tuple[str, PrincipalId], UpdateSealed] = {}
    async for record in client.history(experiment):
        body = record.body
        if isinstance(body, CycleClosed):
            closed[(str(body.cycle), body.revision)] = body
        elif isinstance(body, UpdateSealed):
            own[(str(body.cycle), record.actor)] = body
        elif isinstance(body, ModelAveraged | ModelEvaluated):
            closing = closed[(str(body.cycle), body.revision)]
            if closing.source is not None:
                known = await _updates_of(client, experiment.owner, closing.source)
            else:
                known = {edge: update for (cycle, edge), update in own.items() if cycle == str(body.cycle)}
            yield Outcome(body, closing, {each.edge: known[each.edge] for each in closing.included})


async def _updates_of(client: Client, owner: OwnerId, source: Source) -> dict[PrincipalId, UpdateSealed]:
    found = {}
    async for record in client.read(f"ev.{owner}.update.{source.experiment}.*.sealed.{source.cycle}"):
        if isinstance(record.body, UpdateSealed):
            found[record.actor] = record.body
    return found
