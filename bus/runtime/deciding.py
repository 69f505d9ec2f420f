"""Services that decide: fold the log into a world, say what the world calls for, fold what was said.

The world changes only by what is read back from the log, one's own words included. A process that starts, one
that was away, and two at the same time all follow the same rule; the guard on each append lets one of two
through, and the other reads what it said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar, Final, Protocol

from bus.errors import Conflict
from bus.events import Event
from bus.ports import Guard
from bus.runtime.aio import until
from bus.runtime.listening import learn_principals, verified
from bus.runtime.service import Context
from bus.runtime.snapshots import Snapshot, SnapshotFile
from bus.wire import subjects
from bus.wire.decision import Decision
from bus.wire.record import Record
from bus.wire.topology import StreamName

_log = logging.getLogger(__name__)

EVERYTHING: Final = "ev.>"
SNAPSHOT_EVERY: Final = 2000
"""Events between two snapshots: folding so many takes a second or two."""


class World(Protocol):
    """What a deciding service knows."""

    FORM: ClassVar[str]
    """Names the form of what ``dump`` gives; changes with it."""
    position: int
    """Sequence of the last record that was folded."""

    def fold(self, record: Record) -> Iterable[str]:
        """Take in ``record``; returns the ids about which there may be something new to decide."""
        ...

    def open(self) -> Iterable[str]:
        """All ids about which there may be something to decide."""
        ...

    def decide(self, entity_id: str, now: datetime) -> Decision | None:
        """What is to be said next about ``entity_id``."""
        ...

    def dump(self) -> bytes:
        """Everything that it knows, for a snapshot."""
        ...

    def restore(self, content: bytes) -> None:
        """Know what was dumped.

        Raises:
            ValueError: It cannot be read.
        """
        ...


Afterwards = Callable[[str, Record | None], Awaitable[None]]
Before = Callable[[Record], Awaitable[None]]


class Decider:
    """Keeps a world up to date and says what it calls for.

    Args:
        context: Of the service.
        world: Empty.
        afterwards: Called after each look at an id, with the record that caused it: for commands and timers.
        before: Called with each record before it is folded: for what the world has to be told first.
    """

    def __init__(
        self,
        context: Context[Any],
        world: World,
        afterwards: Afterwards | None = None,
        before: Before | None = None,
    ) -> None:
        self._context = context
        self._world = world
        self._afterwards = afterwards
        self._before = before
        self._actor = context.voice.identity.principal
        self._said: dict[str, int] = {}
        self._deciding = asyncio.Lock()
        self._snapshots = SnapshotFile(context.settings.data / "snapshot.json", world.FORM)
        self._snapshot_at = 0

    async def catch_up(self) -> None:
        """Fold the log as far as it goes, from the snapshot if there is a good one, without saying anything."""
        context = self._context
        await self._restore()
        last = None
        async for record in verified(
            context.broker, context.directory, EVERYTHING, reject=context.voice.bury, after=self._world.position
        ):
            await self._fold(record)
            last = record
        self._keep(last)
        _log.info("caught up", extra={"position": self._world.position, "snapshot": self._snapshot_at})

    async def _restore(self) -> None:
        """Begin with the snapshot, if it was taken of this log."""
        snapshot = self._snapshots.load()
        if snapshot is None:
            return
        context = self._context
        context.directory.learn_from(await learn_principals(context.broker, context.anchor))
        events = context.broker.log(StreamName.EVENTS)
        async for stored in events.read(EVERYTHING, after=snapshot.position - 1):
            if (stored.sequence, stored.message.headers.get("ce-id")) != (snapshot.position, snapshot.message):
                break
            try:
                self._world.restore(snapshot.content)
            except ValueError as error:
                _log.warning("the snapshot cannot be read, the log is folded instead: %s", error)
                return
            self._snapshot_at = snapshot.position
            return
        _log.warning("the snapshot is of another log, which is folded from its beginning instead")

    def _keep(self, record: Record | None) -> None:
        """Take a snapshot once enough has happened since the last one."""
        if record is None or self._world.position - self._snapshot_at < SNAPSHOT_EVERY:
            return
        self._snapshots.save(Snapshot(record.sequence, record.id, self._world.dump()))
        self._snapshot_at = record.sequence

    async def follow(self) -> None:
        """Decide what is open, then fold and decide as events come, until told to stop."""
        context = self._context
        await self.advance(list(self._world.open()), cause=None)
        records = verified(
            context.broker,
            context.directory,
            EVERYTHING,
            reject=context.voice.bury,
            after=self._world.position,
            follow=True,
        )
        async for record in until(context.stop, records):
            await self.advance(await self._fold(record), cause=record)
            self._keep(record)

    async def _fold(self, record: Record) -> Iterable[str]:
        if self._before is not None:
            await self._before(record)
        touched = self._world.fold(record)
        if record.actor == self._actor and isinstance(record.body, Event):
            entity_id = record.body.entity_id
            if self._said.get(entity_id, 0) <= record.sequence:  # what was said is part of the world now
                self._said.pop(entity_id, None)
        return touched

    async def advance(self, ids: Iterable[str], cause: Record | None) -> None:
        """Say what is to be said about ``ids`` now."""
        async with self._deciding:
            for entity_id in ids:
                decision = self._world.decide(entity_id, self._context.broker.now())
                if decision is not None:
                    await self.say(decision, cause)
                if self._afterwards is not None:
                    await self._afterwards(entity_id, cause)

    async def say(self, decision: Decision, cause: Record | None) -> None:
        """Say it, unless something was said about the same id that has not been read back yet."""
        entity_id = decision.event.entity_id
        if self._said.get(entity_id, 0) > decision.strand:
            return
        guard = Guard(subjects.strand(decision.owner, entity_id, self._actor), decision.strand)
        try:
            sequence = await self._context.voice.say(decision.event, owner=decision.owner, cause=cause, guard=guard)
        except Conflict:
            _log.info("somebody else decided first", extra={"entity": entity_id, "event": decision.event.TYPE})
        else:
            self._said[entity_id] = sequence
