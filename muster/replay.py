"""Proves a run: recomputes every global model from the log and the stored updates, and compares digests.

Runs apart from the aggregator, on the aggregator's own pure code. It needs the aggregator's keys, since nobody
else can open updates.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgpack

from aggregator.domain.combine import Combiner
from aggregator.domain.scores import combine
from aggregator.domain.strategies import weights
from bus.errors import Invalid, MusterError, NotFound
from bus.events.base import Digest
from bus.events.cycles import CycleKind, ModelEvaluated
from bus.events.weights import FederatedScore
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import transfer
from bus.weights.lockstep import BodyFailed, lockstep
from coordinator.domain.state import Experiment
from coordinator.domain.world import World
from muster.client import Client
from muster.outcomes import Outcome, outcomes


@dataclass(frozen=True)
class Recomputed:
    """What came of recomputing one outcome.

    Attributes:
        cycle: Which cycle, e.g. ``3-train-1``.
        recorded: Digest in the log; of the scores, for an evaluation.
        found: Digest as recomputed; ``None`` if it could not be.
        reason: Why it could not be.
        gone: Whether that is because the updates are no longer kept.
    """

    cycle: str
    recorded: Digest
    found: Digest | None
    reason: str | None = None
    gone: bool = False

    @property
    def is_model(self) -> bool:
        """Whether the outcome is a global model, and not sums or scores."""
        return self.cycle.split("-")[1] in {CycleKind.INITIALISE, CycleKind.TRAIN}

    @property
    def equal(self) -> bool:
        """Whether both digests are the same."""
        return self.found == self.recorded


async def replay(client: Client, experiment: Experiment, tell: Callable[[Recomputed], None]) -> list[Recomputed]:
    """Recompute every outcome of ``experiment``.

    Args:
        client: As the aggregator: nobody else can open updates.
        experiment: Which.
        tell: Told of each outcome as it is done.
    """
    results = []
    async for outcome in outcomes(client, experiment):
        results.append(await _recompute(outcome, client.broker.blobs(), client.identity))
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


async def _recompute(outcome: Outcome, blobs: Blobs, identity: Identity) -> Recomputed:
    body = outcome.body
    if isinstance(body, ModelEvaluated):
        scores = combine({edge: update.scores for edge, update in outcome.updates.items()})
        return Recomputed(outcome.cycle, _digest(body.scores), _digest(scores))
    try:
        found = await _average(outcome, blobs, identity)
    except BodyFailed as error:
        gone = isinstance(error.reason, NotFound)
        return Recomputed(outcome.cycle, body.model.digest, None, error.message, gone)
    except MusterError as error:
        return Recomputed(outcome.cycle, body.model.digest, None, error.message)
    return Recomputed(outcome.cycle, body.model.digest, found)


async def _average(outcome: Outcome, blobs: Blobs, identity: Identity) -> Digest:
    combiner = Combiner(weights(outcome.closing))
    bodies = [body for update in outcome.updates.values() if (body := update.weights) is not None]
    digest = hashlib.sha256()
    async for row in lockstep([transfer.download(blobs, body, identity, window=2) for body in bodies]):
        for chunk in await asyncio.to_thread(combiner.take, row):
            digest.update(chunk)
    combiner.finish()
    return Digest(f"sha256:{digest.hexdigest()}")


def _digest(scores: Sequence[FederatedScore]) -> Digest:
    packed: bytes = msgpack.packb([score.model_dump() for score in scores])
    return Digest(f"sha256:{hashlib.sha256(packed).hexdigest()}")
