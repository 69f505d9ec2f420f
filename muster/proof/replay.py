"""Proves a run: recomputes every global model from the log and the stored updates, and compares digests.

Runs apart from the aggregator, on the aggregator's own pure code. It needs the aggregator's keys, since nobody
else can open updates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgpack
from pydantic import BaseModel

from aggregator.domain.recipe import Recipe
from aggregator.domain.scores import combine, confusions
from bus.errors import Invalid, MusterError, NotFound
from bus.events.base import Digest, OwnerId, PrincipalId
from bus.events.cycles import CycleClosed, CycleKind, ModelAveraged, ModelEvaluated
from bus.events.weights import SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import uniting
from bus.weights.lockstep import BodyFailed
from coordinator.domain.state import Experiment
from coordinator.domain.world import World
from muster.client import Client
from muster.keeping.releases import Releases
from muster.proof.decisions import Redecided, redecided
from muster.telling.outcomes import Outcome, outcomes


@dataclass(frozen=True)
class Recomputed:
    """What came of recomputing one outcome.

    Attributes:
        cycle: Which cycle, e.g. ``3-train-1``; of a decision, the training cycle before it, e.g. ``3-reduced``.
        recorded: Digest in the log; of the scores, for an evaluation, and of what was said, for a decision.
        found: Digest as recomputed; ``None`` if it could not be.
        reason: Why it could not be.
        gone: Whether that is because the updates are no longer kept.
        code: Of the error that kept it from being recomputed.
    """

    cycle: str
    recorded: Digest
    found: Digest | None
    reason: str | None = None
    gone: bool = False
    code: str | None = None

    @property
    def is_model(self) -> bool:
        """Whether the outcome is a global model, and not sums or scores."""
        return self.cycle.split("-")[1] in {CycleKind.INITIALISE, CycleKind.TRAIN}

    @property
    def equal(self) -> bool:
        """Whether both digests are the same."""
        return self.found == self.recorded


async def replay(client: Client, experiment: Experiment, tell: Callable[[Recomputed], None]) -> list[Recomputed]:
    """Recompute every outcome of ``experiment``, and decide again what its scores decided.

    Args:
        client: As the aggregator: nobody else can open updates.
        experiment: Which.
        tell: Told of each outcome as it is done.
    """
    results = []
    origin = experiment.spec.origin
    before: _Before | None = None if origin is None or origin.anew else (origin.model, origin.state)
    async for outcome in outcomes(client, experiment):
        results.append(await _recompute(outcome, experiment.owner, before, client))
        tell(results[-1])
        before = (outcome.body.model, outcome.body.state) if isinstance(outcome.body, ModelAveraged) else before
    for decision in redecided([record async for record in client.history(experiment)]):
        results.append(_decided(decision))
        tell(results[-1])
    return results


def _decided(decision: Redecided) -> Recomputed:
    said, found = decision.said, decision.found
    name = f"{decision.cycle}-{said.TYPE.split('.')[1]}"
    reason = None if decision.equal else f"{found.TYPE if found else 'nothing'} is what follows from the scores"
    return Recomputed(name, _digest([said]), None if reason else _digest([said]), reason)


_Before = tuple[SealedObject, SealedObject | None]
"""What an outcome has to go on from: a model, and what the strategy kept."""
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


async def _meant(outcome: Outcome, releases: Releases) -> str:
    """When and why it was let go what an outcome follows from; empty if nothing was."""
    closing = outcome.closing
    bodies = [*(update.weights for update in outcome.updates.values()), closing.model, closing.state]
    for body in bodies:
        if body is not None and (clause := await releases.why(body.address)):
            return f"; {clause}"
    return ""


async def _recompute(outcome: Outcome, owner: OwnerId, before: _Before | None, client: Client) -> Recomputed:
    body, blobs, identity = outcome.body, client.broker.blobs(), client.identity
    said = {edge: update.scores for edge, update in outcome.updates.items()}
    tallies = {edge: update.tallies for edge, update in outcome.updates.items()}
    scores = combine(said, tallies)
    if isinstance(body, ModelEvaluated):
        again = [*scores, *confusions(said, tallies)]
        return Recomputed(outcome.cycle, _digest([*body.scores, *body.confusion]), _digest(again))
    if before is not None and not _goes_on_from(outcome.closing, before):
        reason = "the closing goes on from another model or state than the outcome before it"
        return Recomputed(outcome.cycle, body.model.digest, None, reason)
    try:
        found = await _average(outcome, owner, blobs, identity)
    except MusterError as error:
        gone = isinstance(error.reason if isinstance(error, BodyFailed) else error, NotFound)
        meant = await _meant(outcome, Releases(client, owner)) if gone else ""
        return Recomputed(outcome.cycle, body.model.digest, None, error.message + meant, gone, error.code)
    if found.model == body.model.digest and (found.state, found.selected, found.members) != _told(body):
        reason = (
            "the model is the same, but the strategy's state or choice, or the members, are others than the log says"
        )
        return Recomputed(outcome.cycle, body.model.digest, None, reason)
    if found.model == body.model.digest and scores != body.scores:
        # They may have decided something: callbacks go by them.
        reason = "the model is the same, but its scores are others than follow from the edges'"
        return Recomputed(outcome.cycle, body.model.digest, None, reason)
    return Recomputed(outcome.cycle, body.model.digest, found.model)


def _goes_on_from(closing: CycleClosed, before: _Before) -> bool:
    model, state = before
    return closing.model == model and closing.state == (state if closing.cycle.kind is CycleKind.TRAIN else None)


_Told = tuple[Digest | None, tuple[PrincipalId, ...] | None, dict[str, dict[PrincipalId, int]] | None]


def _told(body: ModelAveraged) -> _Told:
    return body.state.digest if body.state is not None else None, body.selected, body.members


@dataclass(frozen=True)
class _Found:
    """What came of averaging again."""

    model: Digest
    state: Digest | None
    selected: tuple[PrincipalId, ...] | None
    members: dict[str, dict[PrincipalId, int]] | None


async def _average(outcome: Outcome, owner: OwnerId, blobs: Blobs, identity: Identity) -> _Found:
    recipe = Recipe.of(outcome.closing, owner, outcome.updates)
    chosen = await uniting.surveyed(blobs, identity, recipe.inputs, recipe.surveyor())
    combiner = recipe.combiner(chosen)
    model, state = hashlib.sha256(), hashlib.sha256()
    async for made in uniting.combined(blobs, identity, recipe.inputs, combiner):
        for chunk in made.chunks:
            model.update(chunk)
        state.update(made.state)
    return _Found(
        Digest(f"sha256:{model.hexdigest()}"),
        Digest(f"sha256:{state.hexdigest()}") if recipe.strategy.slots else None,
        recipe.selected(chosen),
        recipe.members(combiner.added),
    )


def _digest(said: Sequence[BaseModel]) -> Digest:
    packed: bytes = msgpack.packb([each.model_dump(mode="json") for each in said])
    return Digest(f"sha256:{hashlib.sha256(packed).hexdigest()}")
