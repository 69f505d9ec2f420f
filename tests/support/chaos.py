"""A broker as one principal sees it over a bad line: late, lost, cut, or done without saying so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bus.errors import Timeout, Unavailable
from bus.memory import MemoryBroker
from bus.ports import BlobStore, Delivery, Guard, Inbox, Log
from bus.weights.stores import Stores
from bus.wire.message import Message, Stored
from bus.wire.topology import Consumer, StreamName


@dataclass(frozen=True)
class Weather:
    """How bad lines are.

    Attributes:
        delay_s: Mean time that anything takes.
        lost: Share of requests that never arrive.
        unheard: Share of requests that are done, but whose answer is lost.
        dropped: Share of deliveries that never arrive, and come again later.
        repeated: Share of deliveries that arrive twice.
    """

    delay_s: float = 0.02
    lost: float = 0.0
    unheard: float = 0.0
    dropped: float = 0.0
    repeated: float = 0.0


CALM = Weather()
STORM = Weather(delay_s=0.2, lost=0.05, unheard=0.05, dropped=0.05, repeated=0.05)


@dataclass
class Line:
    """One principal's connection.

    Attributes:
        weather: How bad it is.
        chance: Decides each case.
        cut: While set, nothing gets through.
        dead: Its process was killed: nothing gets through ever again.
        points: How many boundaries the process has passed: before and after each request, and each write to its disk.
        crash_at: The process dies at the boundary with this number.
        on_crash: Kills it.
    """

    weather: Weather
    chance: random.Random
    tell: Callable[[str], None]
    cut: bool = False
    dead: bool = False
    tell_puts: bool = False
    points: int = 0
    crash_at: int | None = None
    on_crash: Callable[[], None] | None = None
    mended: asyncio.Event = field(default_factory=asyncio.Event)

    async def point(self, what: str) -> None:
        """Pass a boundary at which a process may die."""
        if self.points == self.crash_at and self.on_crash is not None:
            self.tell(f"dies at boundary {self.points}: {what}")
            self.dead = True
            self.on_crash()
            await asyncio.Event().wait()
        self.points += 1

    async def cross(self, what: str) -> None:
        """Get one way across."""
        if self.tell_puts and what.startswith("put "):
            self.tell(what)
        await self.point(f"before {what}")
        await asyncio.sleep(self.chance.expovariate(1 / self.weather.delay_s))
        if self.dead or self.cut:
            raise Unavailable("the line is cut")
        if self.chance.random() < self.weather.lost:
            self.tell(f"lost {what}")
            raise Unavailable("the request was lost")

    async def back(self, what: str) -> None:
        """Get the answer back."""
        await self.point(f"after {what}")
        await asyncio.sleep(self.chance.expovariate(1 / self.weather.delay_s))
        if self.dead or self.cut or self.chance.random() < self.weather.unheard:
            self.tell(f"unheard {what}")
            raise Timeout("the answer was lost")

    async def patient(self) -> None:
        """Wait until the line is whole, as a reader does that reconnects."""
        while self.dead or self.cut:
            self.mended.clear()
            await self.mended.wait()

    def mend(self) -> None:
        """Let things through again."""
        self.cut = False
        self.mended.set()


@dataclass(frozen=True)
class ChaosBroker:
    """See ``bus.ports.Broker``."""

    inner: MemoryBroker
    line: Line

    def now(self) -> datetime:
        return self.inner.now()

    def log(self, stream: StreamName) -> Log:
        return ChaosLog(self.inner.log(stream), self.line)

    def inbox(self, consumer: Consumer) -> Inbox:
        return ChaosInbox(self.inner.inbox(consumer), self.line)

    def blobs(self) -> Stores:
        return Stores(ChaosBlobs(self.inner.blobs(), self.line))


@dataclass(frozen=True)
class ChaosLog:
    inner: Log
    line: Line

    async def append(self, messages: Sequence[Message], *, guard: Guard | None = None) -> int:
        what = f"append {messages[-1].subject}"
        await self.line.cross(what)
        sequence = await self.inner.append(messages, guard=guard)
        await self.line.back(what)
        return sequence

    async def read(self, filter_: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Stored]:
        if not follow:
            await self.line.cross(f"read {filter_}")
        async for stored in self.inner.read(filter_, after=after, follow=follow):
            if follow:
                await self.line.patient()
                await asyncio.sleep(self.line.chance.expovariate(1 / self.line.weather.delay_s))
                await self.line.patient()
            yield stored

    async def get(self, subject: str) -> Stored | None:
        await self.line.cross(f"get {subject}")
        return await self.inner.get(subject)


@dataclass(frozen=True)
class ChaosDelivery:
    inner: Delivery
    line: Line

    @property
    def stored(self) -> Stored:
        return self.inner.stored

    @property
    def attempt(self) -> int:
        return self.inner.attempt

    async def ack(self) -> None:
        await self.line.cross("ack")
        await self.inner.ack()
        await self.line.back("ack")

    async def nak(self, delay_s: float) -> None:
        await self.line.cross("nak")
        await self.inner.nak(delay_s)

    async def term(self, reason: str) -> None:
        await self.line.cross("term")
        await self.inner.term(reason)

    async def in_progress(self) -> None:
        await self.line.cross("in progress")
        await self.inner.in_progress()


@dataclass(frozen=True)
class ChaosInbox:
    inner: Inbox
    line: Line

    async def deliveries(self) -> AsyncIterator[Delivery]:
        weather, chance = self.line.weather, self.line.chance
        async for delivery in self.inner.deliveries():
            await self.line.patient()
            if chance.random() < weather.dropped:
                self.line.tell(f"dropped delivery of {delivery.stored.message.subject}")
                continue
            yield ChaosDelivery(delivery, self.line)
            if chance.random() < weather.repeated:
                self.line.tell(f"repeated delivery of {delivery.stored.message.subject}")
                yield ChaosDelivery(delivery, self.line)


@dataclass(frozen=True)
class ChaosBlobs:
    inner: BlobStore
    line: Line

    async def put(self, subject: str, data: bytes | memoryview) -> None:
        await self.line.cross(f"put {subject}")
        await self.inner.put(subject, data)
        await self.line.back(f"put {subject}")

    async def get(self, subject: str) -> bytes:
        await self.line.cross(f"get {subject}")
        return await self.inner.get(subject)

    async def delete(self, filter_: str) -> int:
        await self.line.cross(f"delete {filter_}")
        count = await self.inner.delete(filter_)
        await self.line.back(f"delete {filter_}")
        return count

    async def subjects(self, filter_: str) -> frozenset[str]:
        return await self.inner.subjects(filter_)
