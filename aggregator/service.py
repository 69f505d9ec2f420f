"""The aggregator as a process: for every closed cycle, the outcome, said once; and what is released is removed.

It keeps nothing of its own. A closing is handled from the log and the blob store alone, and the same closing
always leads to the same bytes, so it can be killed at any point and handle it again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from aggregator.averaging import Averaging
from aggregator.domain.scores import combine, confusions
from aggregator.purging import Purging
from bus.errors import Integrity, MusterError
from bus.events import Event
from bus.events.base import OwnerId, PrincipalId
from bus.events.cycles import (
    CycleClosed,
    CycleKind,
    ModelAveraged,
    ModelEvaluated,
    ModelFailed,
    Source,
    UpdateRejected,
    UpdateSealed,
)
from bus.events.experiments import ExperimentSubmitted, Failure, FailurePhase
from bus.ports import Log
from bus.runtime.listening import Work, learn_principals
from bus.runtime.service import Context, Task
from bus.runtime.settings import ServiceSettings
from bus.together import all_together
from bus.weights.lockstep import BodyFailed
from bus.wire import topology
from bus.wire.record import Record
from bus.wire.topology import StreamName

_log = logging.getLogger(__name__)


class AggregatorSettings(ServiceSettings):
    """Settings of the aggregator: those that every service has."""


async def build(context: Context[AggregatorSettings]) -> Mapping[str, Task]:
    """Get to know the principals; returns the root tasks."""
    directory = await learn_principals(context.broker, context.anchor)
    blobs, from_bytes = context.broker.blobs(), context.settings.s3_from_bytes
    aggregator = Aggregator(context, Averaging(blobs, context.voice.identity, directory, from_bytes))
    work = Work(context.broker, topology.AGGREGATOR, directory, context.voice, aggregator.handle)
    purging = Purging(context.broker, context.voice, directory)
    releases = Work(context.broker, topology.RELEASES, directory, context.voice, purging.handle)
    return {"closed cycles": lambda: work.run(context.stop), "releases": lambda: releases.run(context.stop)}


class Aggregator:
    """Handles closed cycles."""

    def __init__(self, context: Context[AggregatorSettings], averaging: Averaging) -> None:
        self._voice = context.voice
        self._events: Log = context.broker.log(StreamName.EVENTS)
        self._averaging = averaging

    async def handle(self, record: Record) -> None:
        """Say what comes of a closed cycle, unless it was said already."""
        closed = record.body
        assert isinstance(closed, CycleClosed)
        if await self._answered(closed, record.owner):
            return
        try:
            updates = await self._updates(closed, record.owner)
            event: Event = await self._outcome(closed, record.owner, updates)
        except BodyFailed as failed:
            if failed.reason.retryable:
                raise failed.reason from failed
            event = _rejection(closed, failed)
        await self._voice.say(event, owner=record.owner, cause=record)
        _log.info("%s", event.TYPE, extra={"experiment": closed.experiment, "cycle": str(closed.cycle)})

    async def _outcome(
        self, closed: CycleClosed, owner: OwnerId, updates: Mapping[PrincipalId, UpdateSealed]
    ) -> ModelAveraged | ModelEvaluated | ModelFailed:
        said = {edge: update.scores for edge, update in updates.items()}
        tallies = {edge: update.tallies for edge, update in updates.items()}
        scores = combine(said, tallies)
        about = {"experiment": closed.experiment, "cycle": closed.cycle, "revision": closed.revision}
        if closed.cycle.kind is CycleKind.EVALUATE:
            return ModelEvaluated(**about, scores=scores, confusion=confusions(said, tallies))
        try:
            made = await self._averaging.average(closed, owner, updates, await self._most_bytes(closed, owner, updates))
        except BodyFailed:
            raise
        except MusterError as error:
            # No edge is to blame: the strategy, the last model or what the strategy kept.
            if error.retryable:
                raise
            failure = Failure(category="model", code=error.code, message=error.message, phase=FailurePhase.AVERAGE)
            return ModelFailed(**about, failure=failure)
        if closed.cycle.kind is CycleKind.TRAIN and closed.model and made.model.digest == closed.model.digest:
            failure = Failure(
                category="model",
                code="model.unchanged",
                message="no update changed the model in this cycle: check the learning rate, and that it trains",
                phase=FailurePhase.AVERAGE,
            )
            return ModelFailed(**about, failure=failure)
        return ModelAveraged(
            **about,
            model=made.model,
            contributors={edge: update.weights.digest for edge, update in updates.items() if update.weights},
            weight=sum(contribution.weight for contribution in closed.included),
            scores=scores,
            state=made.state,
            selected=made.selected,
            members=made.members,
        )

    async def _most_bytes(
        self, closed: CycleClosed, owner: OwnerId, updates: Mapping[PrincipalId, UpdateSealed]
    ) -> int | None:
        """How large the plan lets a model with members grow; ``None`` where there are no members.

        Raises:
            Integrity: The log does not hold the plan.
        """
        if not any(update.weights is not None and update.weights.members is not None for update in updates.values()):
            return None
        subject = f"ev.{owner}.experiment.{closed.experiment}.{owner}.submitted"
        stored = await self._events.get(subject)
        body = None if stored is None else self._averaging.directory.verify(stored.message).body
        if not isinstance(body, ExperimentSubmitted):
            raise Integrity(f"the log holds no submission at {subject!r}", code="update.missing")
        return body.limits.disk_bytes

    async def _updates(self, closed: CycleClosed, owner: OwnerId) -> dict[PrincipalId, UpdateSealed]:
        """The updates that count, by edge, in the order of the closing.

        Raises:
            BodyFailed: The log does not hold what the closing says.
        """
        updates = {}
        source = closed.source or Source(experiment=closed.experiment, cycle=closed.cycle)
        before, behind = f"ev.{owner}.update.{source.experiment}", f"sealed.{source.cycle}"
        named = [f"{before}.{contribution.edge}.{behind}" for contribution in closed.included]
        found = await all_together(partial(self._events.get, subject) for subject in named)
        for index, (contribution, subject, stored) in enumerate(zip(closed.included, named, found, strict=True)):
            envelope = None if stored is None else self._averaging.directory.verify(stored.message)
            if envelope is None or envelope.id != contribution.update or not isinstance(envelope.body, UpdateSealed):
                raise BodyFailed(
                    index, Integrity(f"the log holds no such update at {subject!r}", code="update.missing")
                )
            if envelope.body.examples != contribution.weight:
                raise BodyFailed(
                    index,
                    Integrity(
                        f"the closing counts {contribution.weight} examples, the update says {envelope.body.examples}",
                        code="update.examples",
                    ),
                )
            updates[contribution.edge] = envelope.body
        return updates

    async def _answered(self, closed: CycleClosed, owner: OwnerId) -> bool:
        key = f"{closed.cycle}-{closed.revision}"
        words = [kind.TYPE.split(".")[1] for kind in (ModelAveraged, ModelEvaluated, ModelFailed)]
        about = f"ev.{owner}.model.{closed.experiment}.{self._actor}"
        found = await all_together(partial(self._events.get, f"{about}.{word}.{key}") for word in words)
        return any(found)

    @property
    def _actor(self) -> PrincipalId:
        return self._voice.identity.principal


def _rejection(closed: CycleClosed, failed: BodyFailed) -> Event:
    edge = closed.included[failed.index].edge
    _log.warning("update rejected: %s", failed, extra={"edge": edge, "code": failed.code})
    failure = Failure(
        category="egress", code=failed.code, message=failed.message, edge=edge, phase=FailurePhase.AVERAGE
    )
    return UpdateRejected(experiment=closed.experiment, cycle=closed.cycle, edge=edge, failure=failure)
