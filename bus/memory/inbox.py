"""Durable consumers in memory: redelivery after a wait, delays, the bound on what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from bus.memory.stream import MemoryStream
from bus.wire import subjects
from bus.wire.message import Stored
from bus.wire.topology import Consumer

_SOON_S: Final = 1e-6
"""Closer than this is now: a wait for what rounding has left over would end before it began, again and again."""


@dataclass
class _Pending:
    """A message under way: when it falls due again, and how often it was handed out."""

    stored: Stored
    attempt: int
    due: float


@dataclass
class ConsumerState:
    """What the broker remembers of one consumer; outlives the inboxes that take from it."""

    stream: MemoryStream
    spec: Consumer
    position: int = 0
    pending: dict[int, _Pending] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def next_due(self, now: float) -> _Pending | None:
        """The next delivery that may be handed out at ``now``, marked as under way."""
        overdue = [p for p in self.pending.values() if p.due <= now + _SOON_S]
        if overdue:
            pending = min(overdue, key=lambda p: p.stored.sequence)
            pending.attempt += 1
        elif len(self.pending) < self.spec.max_ack_pending and (stored := self._advance()) is not None:
            pending = self.pending[stored.sequence] = _Pending(stored, 1, 0.0)
        else:
            return None
        pending.due = now + self.spec.ack_wait_s
        return pending

    def _advance(self) -> Stored | None:
        while self.position < len(self.stream.messages):
            stored = self.stream.messages[self.position]
            self.position += 1
            if stored is not None and subjects.matches(self.spec.filter, stored.message.subject):
                return stored
        return None

    async def settle(self, sequence: int, *, due: float | None) -> None:
        """Forget a delivery, or make it due again at ``due``."""
        async with self.changed:
            if due is None:
                self.pending.pop(sequence, None)
            elif sequence in self.pending:
                self.pending[sequence].due = due
            self.changed.notify_all()

    async def wait(self, now: float) -> None:
        """Wait until something may be due: growth, a settlement, or the next due time."""
        dues = [p.due - now for p in self.pending.values()]
        timeout = max(0.0, min(dues)) if dues else None
        grown = asyncio.ensure_future(self.stream.beyond(self.position))
        settled = asyncio.ensure_future(self._settled())
        try:
            watched = {settled} if len(self.pending) >= self.spec.max_ack_pending else {grown, settled}
            await asyncio.wait(watched, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            grown.cancel()
            settled.cancel()

    async def _settled(self) -> None:
        async with self.changed:
            await self.changed.wait()


@dataclass(frozen=True)
class MemoryDelivery:
    """See ``bus.ports.Delivery``."""

    state: ConsumerState
    stored: Stored
    attempt: int

    async def ack(self) -> None:
        """Done."""
        await self.state.settle(self.stored.sequence, due=None)

    async def nak(self, delay_s: float) -> None:
        """Not done; again after ``delay_s``."""
        await self.state.settle(self.stored.sequence, due=asyncio.get_running_loop().time() + delay_s)

    async def term(self, reason: str) -> None:
        """Never again."""
        await self.state.settle(self.stored.sequence, due=None)

    async def in_progress(self) -> None:
        """Start the waiting time anew."""
        due = asyncio.get_running_loop().time() + self.state.spec.ack_wait_s
        await self.state.settle(self.stored.sequence, due=due)


@dataclass(frozen=True)
class MemoryInbox:
    """See ``bus.ports.Inbox``."""

    state: ConsumerState

    async def deliveries(self) -> AsyncIterator[MemoryDelivery]:
        """Work as it comes."""
        loop = asyncio.get_running_loop()
        while True:
            pending = self.state.next_due(loop.time())
            if pending is None:
                await self.state.wait(loop.time())
            else:
                yield MemoryDelivery(self.state, pending.stored, pending.attempt)
