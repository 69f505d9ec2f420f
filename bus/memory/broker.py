"""The broker in memory: streams, consumers and blobs behind the ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from bus.errors import Invalid, NotFound
from bus.memory.inbox import ConsumerState, MemoryInbox
from bus.memory.stream import MemoryStream, utc_now
from bus.ports import BlobStore, Room
from bus.weights.stores import Stores
from bus.wire.message import Message
from bus.wire.topology import STREAMS, Consumer, StreamName

_NONE: Final[Mapping[str, BlobStore]] = MappingProxyType({})


class MemoryBlobs:
    """See ``bus.ports.BlobStore``."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    async def put(self, subject: str, data: bytes | memoryview) -> None:
        """Store ``data`` unless the subject is already written."""
        if await self._stream.get(subject) is None:
            await self._stream.append([Message(subject, {}, bytes(data))])

    async def get(self, subject: str) -> bytes:
        """What was stored under ``subject``."""
        stored = await self._stream.get(subject)
        if stored is None:
            raise NotFound(f"nothing is stored under {subject!r}", code="blob.missing")
        return stored.message.data

    async def subjects(self, filter_: str) -> frozenset[str]:
        """What is stored under ``filter_``."""
        return self._stream.subjects(filter_)

    async def delete(self, filter_: str) -> int:
        """Forget everything under ``filter_``."""
        return self._stream.delete(filter_)


class MemoryBroker:
    """See ``bus.ports.Broker``. Share one between all parts of a federation in one process.

    Args:
        now: Gives the time at which messages are stored; the machine's clock, unless a simulation brings its own.
        stores: Stores of sealed chunks beside the broker, by name.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, stores: Mapping[str, BlobStore] = _NONE) -> None:
        self._now = now
        self._stores = stores
        self._streams = {spec.name: MemoryStream(spec, now) for spec in STREAMS}
        self.limit_bytes: int | None = None
        """What the store of sealed chunks may hold; told, and not enforced."""
        self._consumers: dict[tuple[StreamName, str], ConsumerState] = {}

    def now(self) -> datetime:
        """The time at which messages would be stored."""
        return self._now()

    def log(self, stream: StreamName) -> MemoryStream:
        """A stream."""
        return self._streams[stream]

    def provide(self, consumer: Consumer) -> None:
        """Create ``consumer`` unless it exists."""
        key = (consumer.stream, consumer.name)
        self._consumers.setdefault(key, ConsumerState(self._streams[consumer.stream], consumer))

    def inbox(self, consumer: Consumer) -> MemoryInbox:
        """A consumer that exists."""
        try:
            return MemoryInbox(self._consumers[(consumer.stream, consumer.name)])
        except KeyError:
            raise Invalid(f"no consumer {consumer.name!r}: provide it first", code="consumer.missing") from None

    def blobs(self) -> Stores:
        """The stores of sealed chunks."""
        return Stores(MemoryBlobs(self._streams[StreamName.WEIGHTS]), self._stores, self._room)

    async def _room(self) -> Room | None:
        if self.limit_bytes is None:
            return None
        stored = (each for each in self._streams[StreamName.WEIGHTS].messages if each is not None)
        return Room(sum(len(each.message.data) for each in stored), self.limit_bytes)
