"""What can still be done with an experiment's outcomes: events are kept for ever, sealed weights are not.

Nothing is opened for it: what is looked at is which chunks and keys the store has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bus.events.cycles import CycleKind, ModelAveraged
from bus.events.strategies import KINDS
from bus.events.weights import JETSTREAM, SealedObject
from bus.ports import Blobs
from bus.wire import subjects
from coordinator.domain.decide import AGGREGATOR
from coordinator.domain.state import Experiment
from muster.client import Client
from muster.keeping.releases import Releases
from muster.telling.outcomes import Outcome, outcomes


@dataclass(frozen=True)
class Kept:
    """What can still be done with one outcome.

    Attributes:
        cycle: Which cycle, e.g. ``3-train-1``.
        replay: Why it can no longer be recomputed; empty if it can.
        fork: Why no experiment can go on from it; empty if one can.
        anew: Why its updates cannot be averaged anew; empty if they can.
    """

    cycle: str
    replay: str
    fork: str
    anew: str


async def kept(client: Client, experiment: Experiment) -> list[Kept]:
    """What can still be done with every outcome of ``experiment``.

    Args:
        client: As the operator: nobody else may see what the store holds.
        experiment: Which.
    """
    look = _Look(client.broker.blobs(), Releases(client, experiment.owner))
    return [await _kept(look, experiment, outcome) async for outcome in outcomes(client, experiment)]


@dataclass(frozen=True)
class _Look:
    """Where to look."""

    blobs: Blobs
    releases: Releases


async def _kept(look: _Look, experiment: Experiment, outcome: Outcome) -> Kept:
    kind = outcome.body.cycle.kind
    lost = [
        f"{edge}'s update: {problem}"
        for edge, update in outcome.updates.items()
        if update.weights is not None and (problem := await _missing(look, update.weights, [AGGREGATOR]))
    ]
    for what, beside in _beside(outcome).items():
        if beside is not None and (problem := await _missing(look, beside, [AGGREGATOR], what)):
            lost.append(problem)
    replay = "; ".join(lost)
    fork = "it is not a global model"
    if isinstance(outcome.body, ModelAveraged) and outcome.is_model:
        readers = [*experiment.spec.recipients, experiment.vendor]
        fork = await _missing(look, outcome.body.model, readers) or await _missing(
            look, experiment.spec.code, experiment.spec.recipients, what="the model file"
        )
        if not fork and outcome.body.state is not None:
            fork = await _missing(look, outcome.body.state, [AGGREGATOR], "the strategy's state")
    anew = replay if kind is CycleKind.TRAIN else "nobody trained in it"
    return Kept(outcome.cycle, replay, fork, anew)


def _beside(outcome: Outcome) -> dict[str, SealedObject | None]:
    """What an outcome follows from besides the updates."""
    closing = outcome.closing
    strategy = KINDS.get(closing.strategy.name)
    if closing.cycle.kind is not CycleKind.TRAIN:
        return {}
    if strategy is None or not strategy.state:
        bodies = (update.weights for update in outcome.updates.values())
        return {"the last global model": closing.model} if any(body and body.encoded for body in bodies) else {}
    return {"the last global model": closing.model, "the strategy's state": closing.state}


async def _missing(look: _Look, body: SealedObject, readers: Iterable[str], what: str = "") -> str:
    """What of ``body`` is no longer there, and since when if that was meant so; empty if all of it is."""
    blobs = look.blobs
    own = blobs.at(body.store)
    there = await blobs.subjects(f"{body.address}.>")
    if own is not blobs.at(JETSTREAM):
        there |= await own.subjects(f"{body.address}.>")
    if not there:
        found = await look.releases.why(body.address) or "no longer kept"
    else:
        chunks = sum(subjects.chunk(body.address, index) not in there for index in range(body.chunks))
        keys = [reader for reader in readers if subjects.wrapped_key(body.address, reader) not in there]
        found = ""
        if chunks:
            found = f"{chunks} of {body.chunks} chunks are no longer kept"
        elif keys:
            found = f"the keys for {', '.join(keys)} are no longer kept"
    return f"{what}: {found}" if found and what else found
