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
from typing import Any, Protocol

from bus.errors import Conflict
from bus.ports import Guard
from bus.runtime.aio import until
from bus.runtime.listening import verified
from bus.runtime.service import Context
from bus.wire import subjects
from bus.wire.decision import Decision
from bus.wire.record import Record

_log = logging.getLogger(__name__)


class World(Protocol):
    """What a deciding service knows."""

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


Afterwards = Callable[[str, Record | None], Awaitable[None]]


class Decider:
    """Keeps a world up to date and says what it calls for.

    Args:
        context: Of the service.
        world: Empty.
        afterwards: Called after each look at an id, with the record that caused it: for commands and timers.
    """

    def __init__(self, context: Context[Any], world: World, afterwards: Afterwards | None = None) -> None:
        self._context = context
        self._world = world
        self._afterwards = afterwards
        self._actor = context.voice.identity.principal
        self._said: dict[str, int] = {}
        self._deciding = asyncio.Lock()

    async def catch_up(self) -> None:
        """Fold the log as far as it goes, without saying anything."""
        context = self._context
        async for record in verified(context.broker, context.directory, "ev.>", reject=context.voice.bury):
            self._world.fold(record)
        _log.info("caught up", extra={"position": self._world.position})

    async def follow(self) -> None:
        """Decide what is open, then fold and decide as events come, until told to stop."""
        context = self._context
        await self.advance(list(self._world.open()), cause=None)
        records = verified(
            context.broker,
            context.directory,
            "ev.>",
            reject=context.voice.bury,
            after=self._world.position,
            follow=True,
        )
        async for record in until(context.stop, records):
            await self.advance(self._world.fold(record), cause=record)

    async def advance(self, ids: Iterable[str], cause: Record | None) -> None:
        """Say what is to be said about ``ids`` now."""
        async with self._deciding:
            for entity_id in ids:
                decision = self._world.decide(entity_id, self._context.clock.now())
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
