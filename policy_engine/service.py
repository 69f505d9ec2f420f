"""The policy engine as a process: it answers every submission and holds what may not run, or has no room to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from bus.errors import Denied, Unavailable
from bus.events.custody import WeightsPurged
from bus.events.cycles import CycleOpened, ModelAveraged
from bus.runtime.deciding import Decider
from bus.runtime.service import Context, Task
from bus.runtime.settings import ServiceSettings
from bus.wire.record import Record
from policy_engine.domain.world import ROOM, World

_log = logging.getLogger(__name__)
_ASK_S: Final = 10.0
"""How often the store is asked while an experiment waits for room: the operator may make some in any way."""
_TELLING: Final = (CycleOpened, ModelAveraged, WeightsPurged)
"""Events after which it is asked at once."""


class PolicyEngineSettings(ServiceSettings):
    """Settings of the policy engine: those that every service has. Rules are events, not settings."""


async def build(context: Context[PolicyEngineSettings]) -> Mapping[str, Task]:
    """Bring the rules up to date with the log; returns the root tasks."""
    engine = PolicyEngine(context)
    await engine.decider.catch_up()
    engine.caught_up = True
    await engine.ask()
    return {"events": engine.decider.follow, "room": engine.watch_room}


class PolicyEngine:
    """Rules, cases, and how full the broker's store is."""

    def __init__(self, context: Context[PolicyEngineSettings]) -> None:
        self._context = context
        self._blobs = context.broker.blobs()
        self.world = World()
        self.decider = Decider(context, self.world, before=self._before)
        self.caught_up = False

    async def ask(self) -> None:
        """Ask how full the store is. Without an answer, what was known stays: a hold neither begins nor ends by it."""
        try:
            self.world.room = await self._blobs.room()
        except Unavailable as error:
            _log.debug("the store was not asked: %s", error)
        except Denied as error:
            self.world.room = None
            _log.warning("how full the store of weights is cannot be asked, so nothing waits for room: %s", error)

    async def watch_room(self) -> None:
        """Ask again and again while an experiment waits for room."""
        while not self._context.stop.is_set():
            try:
                async with asyncio.timeout(_ASK_S):
                    await self._context.stop.wait()
            except TimeoutError:
                waiting = [key for key, case in self.world.cases.items() if ROOM in case.held]
                if waiting:
                    await self.ask()
                    await self.decider.advance(waiting, cause=None)

    async def _before(self, record: Record) -> None:
        if self.caught_up and isinstance(record.body, _TELLING):
            await self.ask()
