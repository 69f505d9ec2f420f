"""One stream in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from bus.errors import Conflict, Invalid
from bus.ports import Guard
from bus.wire import subjects
from bus.wire.message import Message, Stored
from bus.wire.topology import Stream


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


class MemoryStream:
    """Messages in order, with the limits of ``spec`` that concern behaviour.

    Args:
        spec: What it keeps.
        now: Gives the time at which messages are stored.
    """

    def __init__(self, spec: Stream, now: Callable[[], datetime] = utc_now) -> None:
        self.spec = spec
        self._now = now
        self.messages: list[Stored | None] = []
        """By sequence minus 1; ``None`` where one was deleted."""
        self._by_subject: dict[str, Stored] = {}
        self._grown = asyncio.Condition()

    async def append(self, messages: Sequence[Message], *, guard: Guard | None = None) -> int:
        """See ``bus.ports.Log.append``."""
        for message in messages:
            self._check_size(message)
        known = [self._already(message) for message in messages]
        if known and None not in known:
            return known[-1] or 0
        if guard is not None and self._last_sequence(guard.filter) != guard.sequence:
            raise Conflict(f"somebody else wrote under {guard.filter!r} first", code="append.guard")
        for message in messages:
            self._check_unwritten(message)
        for message in messages:
            self._store(message)
        async with self._grown:
            self._grown.notify_all()
        return len(self.messages)

    async def read(self, filter_: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Stored]:
        """See ``bus.ports.Log.read``."""
        position, end = after, len(self.messages)
        while True:
            while position < (len(self.messages) if follow else end):
                found = self.messages[position]
                position += 1
                if found is not None and subjects.matches(filter_, found.message.subject):
                    yield found
            if not follow:
                return
            await self.beyond(position)

    async def get(self, subject: str) -> Stored | None:
        """See ``bus.ports.Log.get``."""
        return self._by_subject.get(subject)

    async def beyond(self, sequence: int) -> None:
        """Wait until there is a message after ``sequence``."""
        async with self._grown:
            await self._grown.wait_for(lambda: len(self.messages) > sequence)

    def subjects(self, filter_: str) -> frozenset[str]:
        """The subjects of the messages under ``filter_``."""
        return frozenset(subject for subject in self._by_subject if subjects.matches(filter_, subject))

    def delete(self, filter_: str) -> int:
        """Forget the messages under ``filter_``; returns how many."""
        doomed = [s for s in self.messages if s is not None and subjects.matches(filter_, s.message.subject)]
        for stored in doomed:
            self.messages[stored.sequence - 1] = None
            self._by_subject.pop(stored.message.subject, None)
        return len(doomed)

    def _check_size(self, message: Message) -> None:
        if len(message.data) > self.spec.max_message_bytes:
            raise Invalid(
                f"a message of {len(message.data)} bytes is too large for {self.spec.name}: "
                f"at most {self.spec.max_message_bytes}",
                code="append.size",
            )

    def _already(self, message: Message) -> int | None:
        known = self._by_subject.get(message.subject)
        if self.spec.write_once and known is not None and message.repeats(known.message):
            return known.sequence
        return None

    def _check_unwritten(self, message: Message) -> None:
        if self.spec.write_once and message.subject in self._by_subject:
            raise Conflict(f"{message.subject!r} was already said, with other words", code="append.written")

    def _last_sequence(self, filter_: str) -> int:
        matching = (s.sequence for s in self._by_subject.values() if subjects.matches(filter_, s.message.subject))
        return max(matching, default=0)

    def _store(self, message: Message) -> None:
        previous = self._by_subject.get(message.subject)
        if self.spec.last_only and previous is not None:
            self.messages[previous.sequence - 1] = None
        stored = Stored(message, len(self.messages) + 1, self._now())
        self.messages.append(stored)
        self._by_subject[message.subject] = stored
