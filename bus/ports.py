"""What Muster asks of a message broker: four small ports, each with a memory and a JetStream adapter.

Both adapters pass one behaviour suite (``tests/contracts``). Everything is bytes here; meaning and trust are
added above.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bus.wire.message import Message, Stored
from bus.wire.topology import Consumer, StreamName


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on an append: the last message under ``filter`` has this sequence.

    Attributes:
        filter: Subject filter, wildcards allowed.
        sequence: 0 when there must be none yet.
    """

    filter: str
    sequence: int


class Log(Protocol):
    """One stream."""

    async def append(self, messages: Sequence[Message], *, guard: Guard | None = None) -> int:
        """Store ``messages`` in order, all or none, and return the sequence of the last.

        Saying the same again is harmless: when all the subjects are already written by messages that these repeat,
        the last one's sequence is returned. In a stream that is not write-once the messages simply become the newest.

        Raises:
            Conflict: The guard does not hold, or a write-once subject holds something else.
            Invalid: A message is larger than the stream takes.
            Denied: The credential may not publish there.
            Unavailable: The broker is away or out of space; nothing may be assumed about the effect.
        """
        ...

    def read(self, filter_: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Stored]:
        """Messages under ``filter_`` with a sequence above ``after``, in order, each once.

        Ends at the message that was last when reading began; with ``follow`` it never ends and survives
        reconnections.

        Raises:
            Denied: The credential may not read that.
            Unavailable: The broker is away (without ``follow``).
        """
        ...

    async def get(self, subject: str) -> Stored | None:
        """The last message on exactly ``subject``.

        Raises:
            Denied: The credential may not read that.
            Unavailable: The broker is away.
        """
        ...


class Delivery(Protocol):
    """A message that was handed out for work. Exactly one of ``ack``, ``nak`` and ``term`` settles it."""

    @property
    def stored(self) -> Stored:
        """The message and its place."""
        ...

    @property
    def attempt(self) -> int:
        """How many times it was handed out, from 1."""
        ...

    async def ack(self) -> None:
        """Done; returns when the broker has noted it."""
        ...

    async def nak(self, delay_s: float) -> None:
        """Not done; hand it out again after ``delay_s``."""
        ...

    async def term(self, reason: str) -> None:
        """Never hand it out again."""
        ...

    async def in_progress(self) -> None:
        """Still at it: start the waiting time anew."""
        ...


class Inbox(Protocol):
    """A durable place from which one principal takes work."""

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Work as it comes, without end; survives reconnections."""
        ...


@dataclass(frozen=True, slots=True)
class Room:
    """How full a store of sealed chunks is.

    Attributes:
        used_bytes: Of what it may hold.
        limit_bytes: What it may hold.
    """

    used_bytes: int
    limit_bytes: int


class BlobStore(Protocol):
    """Write-once bytes by subject. Never trusted: what matters is sealed and digested above."""

    async def put(self, subject: str, data: bytes | memoryview) -> None:
        """Store ``data``; a subject that is already written is left as it is.

        Raises:
            Invalid: Larger than one message may be.
            Denied: The credential may not write there.
            Unavailable: The store is away or full.
        """
        ...

    async def get(self, subject: str) -> bytes | bytearray:
        """What was stored under ``subject``.

        Raises:
            NotFound: Nothing is.
            Denied: The credential may not read that.
            Unavailable: The store is away.
        """
        ...

    async def subjects(self, filter_: str) -> frozenset[str]:
        """What is stored under ``filter_``.

        Raises:
            Denied: The credential may not ask.
        """
        ...

    async def delete(self, filter_: str) -> int:
        """Forget everything under ``filter_``; returns how many blobs that were.

        Raises:
            Denied: The credential may not delete.
        """
        ...


class Blobs(BlobStore, Protocol):
    """The broker's own store, and the way to others. Wrapped keys always lie in the broker's own."""

    async def room(self) -> Room | None:
        """How full the broker's own store is; ``None`` if it has no limit of its own.

        Raises:
            Denied: The credential may not ask.
            Unavailable: The store is away.
        """
        ...

    def at(self, store: str) -> BlobStore:
        """The store with this name, as a reference gives it.

        Raises:
            Configuration: This process knows no such store.
        """
        ...


class Broker(Protocol):
    """A connection as one principal."""

    def now(self) -> datetime:
        """The broker's time: messages carry it, deadlines are meant in it, and no other machine's clock matters."""
        ...

    def log(self, stream: StreamName) -> Log:
        """A stream, to append to and read from."""
        ...

    def inbox(self, consumer: Consumer) -> Inbox:
        """A consumer that exists, to take work from."""
        ...

    def blobs(self) -> Blobs:
        """The stores of sealed chunks."""
        ...
