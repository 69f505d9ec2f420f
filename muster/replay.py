"""Proves a run: recomputes every global model from the log and the stored updates, and compares digests.

Runs apart from the aggregator, on the aggregator's own pure code. It needs the aggregator's keys, since nobody
else can open updates.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgpack

from aggregator.domain.combine import Combiner
from aggregator.domain.scores import combine
from bus.errors import Invalid, MusterError
from bus.events.base import Digest, PrincipalId
from bus.events.cycles import CycleClosed, CycleKind, ModelAveraged, ModelEvaluated, UpdateSealed
from bus.events.weights import FederatedScore
from bus.identity.keys import Identity
from bus.ports import BlobStore
from bus.weights import transfer
from bus.weights.lockstep import lockstep
from bus.wire.record import Record
from coordinator.domain.world import World
from muster.client import Client


@dataclass(frozen=True)
class Recomputed:
    """What came of recomputing one outcome.

    Attributes:
        cycle: Which cycle, e.g. ``3-train-1``.
        recorded: Digest in the log; of the scores, for an evaluation.
        found: Digest as recomputed; ``None`` if it could not be.
        reason: Why it could not be.
    """

    cycle: str
    recorded: Digest
    found: Digest | None
    reason: str | None = None

    @property
    def is_model(self) -> bool:
        """Whether the outcome is a global model, and not sums or scores."""
        return self.cycle.split("-")[1] in {CycleKind.INITIALISE, CycleKind.TRAIN}

    @property
    def equal(self) -> bool:
        """Whether both digests are the same."""
        return self.found == self.recorded


async def replay(
    history: AsyncIterator[Record], blobs: BlobStore, identity: Identity, tell: Callable[[Recomputed], None]
) -> list[Recomputed]:
    """Recompute every outcome in ``history``.

    Args:
        history: All events of one experiment.
        blobs: Where the updates are.
        identity: The aggregator's.
        tell: Told of each outcome as it is done.
    """
    closed: dict[tuple[str, int], CycleClosed] = {}
    updates: dict[tuple[str, PrincipalId], UpdateSealed] = {}
    results = []
    async for record in history:
        body = record.body
        if isinstance(body, CycleClosed):
            closed[(str(body.cycle), body.revision)] = body
        elif isinstance(body, UpdateSealed):
            updates[(str(body.cycle), record.actor)] = body
        elif isinstance(body, ModelAveraged | ModelEvaluated):
            closing = closed[(str(body.cycle), body.revision)]
            chosen = {c.edge: updates[(str(body.cycle), c.edge)] for c in closing.included}
            results.append(await _recompute(body, closing, chosen, blobs, identity))
            tell(results[-1])
    return results


Moment = int | datetime
"""A sequence on the log, or a time."""


def moment_of(text: str) -> Moment:
    """What ``--at`` means.

    Raises:
        Invalid: Neither a sequence nor a time.
    """
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{text[:80]!r} is neither an event's sequence nor a time; expected e.g. 42 or 2026-01-31T12:00:00",
            code="replay.moment",
        ) from None
    return moment.astimezone(UTC)


async def world_at(client: Client, moment: Moment) -> World:
    """Everything as it was right after the event with this sequence, or at this time."""
    world = World()
    async for record in client.read("ev.>"):
        if (record.sequence if isinstance(moment, int) else record.stored_at) > moment:  # type: ignore[operator]
            break
        world.fold(record)
    return world


async def _recompute(
    body: ModelAveraged | ModelEvaluated,
    closing: CycleClosed,
    updates: dict[PrincipalId, UpdateSealed],
    blobs: BlobStore,
    identity: Identity,
) -> Recomputed:
    if isinstance(body, ModelEvaluated):
        scores = combine({edge: update.scores for edge, update in updates.items()})
        return Recomputed(str(body.cycle), _digest(body.scores), _digest(scores))
    try:
        found = await _average(closing, updates, blobs, identity)
    except MusterError as error:
        return Recomputed(str(body.cycle), body.model.digest, None, error.message)
    return Recomputed(str(body.cycle), body.model.digest, found)


async def _average(
    closing: CycleClosed, updates: dict[PrincipalId, UpdateSealed], blobs: BlobStore, identity: Identity
) -> Digest:
    combiner = Combiner([contribution.weight for contribution in closing.included])
    bodies = [body for update in updates.values() if (body := update.weights) is not None]
    digest = hashlib.sha256()
    async for row in lockstep([transfer.download(blobs, body, identity, window=2) for body in bodies]):
        for chunk in await asyncio.to_thread(combiner.take, row):
            digest.update(chunk)
    combiner.finish()
    return Digest(f"sha256:{digest.hexdigest()}")


def _digest(scores: Sequence[FederatedScore]) -> Digest:
    packed: bytes = msgpack.packb([score.model_dump() for score in scores])
    return Digest(f"sha256:{hashlib.sha256(packed).hexdigest()}")
