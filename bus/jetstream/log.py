"""A stream as a log: appends that can be repeated, reads that survive the server.

What the server's answers to an append mean, and why it is safe to say the same again, is in
``docs/decisions/0001``.

In a cluster appends go to the stream's leader, but what is read comes from any of its replicas, which may be a
moment behind: on one machine, one read in ten right after an append did not find it. What was found is right, since
nothing changes that was written. That something is *not* there is believed of the leader alone (``append``), or of
many replies (``get``); a history must reach what this broker was told of before (``Horizon``).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bus.errors import Conflict, NotFound, Timeout, Unavailable
from bus.jetstream import api, codec
from bus.jetstream.connection import REQUEST_S, Connection
from bus.jetstream.inflow import Msg
from bus.jetstream.pull import Pull
from bus.jetstream.session import status
from bus.ports import Guard
from bus.wire import subjects, topology
from bus.wire.message import Message, Stored
from bus.wire.topology import Stream

_READ_BATCH: Final = 200
_FORGET_READER_S: Final = 60
_GRACE_S: Final = 2.0
_RETRY_S: Final = 0.2
_UNDECIDED_S: Final = 0.05
_TRIES: Final = 100
"""How often an append is repeated while the leader is busy with another one under the same guard: five seconds."""
_WAVE: Final = 8
_WAVES_S: Final = (0.0, 0.02, 0.06)
"""When to ask that many times more for what was not found: 24 replies without the leader's among them are one case in
ten thousand, and only then does it matter how far the others are behind."""
_AGAIN: Final = {"consumer.missing": 3, "broker.behind": 25}
"""How often a history is read again whose reader went with its server, or ends before what is known of it."""
_GUARD: Final = "Nats-Expected-Last-Subject-Sequence"
_NEVER: Final = 2**53
"""A sequence that no stream reaches."""


@dataclass
class Horizon:
    """The newest message of a stream that one broker was told of: a replica without it is behind."""

    subject: str = ""
    sequence: int = 0

    def note(self, subject: str, sequence: int) -> None:
        """Take notice of a message."""
        if sequence > self.sequence:
            self.subject, self.sequence = subject, sequence


class JetStreamLog:
    """See ``bus.ports.Log``."""

    def __init__(self, connection: Connection, spec: Stream, horizon: Horizon | None = None) -> None:
        self._connection = connection
        self._spec = spec
        self._horizon = horizon or Horizon()

    async def append(self, messages: Sequence[Message], *, guard: Guard | None = None) -> int:
        """Store ``messages``; a lost answer is asked for again, since saying the same twice is harmless."""
        sequence = await self._append(messages, guard)
        self._horizon.note(messages[-1].subject, sequence)
        return sequence

    async def _append(self, messages: Sequence[Message], guard: Guard | None) -> int:
        lost = 0
        for _ in range(_TRIES):
            try:
                return await self._outcome(messages, guard)
            except Timeout:
                lost += 1
                if not self._spec.write_once or lost > 1:
                    raise
            except Unavailable as error:
                if error.code != "append.undecided":
                    raise
                await asyncio.sleep(_UNDECIDED_S)
        raise Unavailable(
            f"{messages[-1].subject!r}: the leader is still busy with another message: try again",
            code="append.undecided",
        )

    async def _outcome(self, messages: Sequence[Message], guard: Guard | None) -> int:
        try:
            return await self._store(messages, guard)
        except Conflict as conflict:
            return await self._already(messages, conflict)

    async def _store(self, messages: Sequence[Message], guard: Guard | None) -> int:
        if len(messages) == 1:
            return await self._publish(messages[0], _guard_headers(guard))
        return await self._publish_batch(messages, _guard_headers(guard))

    async def _publish(self, message: Message, extra: dict[str, str]) -> int:
        headers = {**message.headers, **extra}
        reply = await self._connection.request(message.subject, message.data, headers=headers or None)
        return int(api.answer(reply, f"append to {message.subject!r}")["seq"])

    async def _publish_batch(self, messages: Sequence[Message], extra: dict[str, str]) -> int:
        """An atomic batch (server 2.12, ADR-50): numbered messages, the last one commits."""
        batch = secrets.token_hex(16)
        session = await self._connection.session()
        last = len(messages)
        for number, message in enumerate(messages, 1):
            headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if number == 1:
                headers |= extra
            if number < last:
                await session.publish(message.subject, message.data, headers=headers)
                continue
            headers["Nats-Batch-Commit"] = "1"
            reply = await session.request(message.subject, message.data, headers=headers, timeout_s=5.0)
            return int(api.answer(reply, f"append {last} messages up to {message.subject!r}")["seq"])
        return 0

    async def _already(self, messages: Sequence[Message], conflict: Conflict) -> int:
        """The sequence at which ``messages`` were stored by an earlier try, or the conflict."""
        if not self._spec.write_once:
            raise conflict
        sequence = 0
        for message in messages:
            known = await self._direct(message.subject) or await self._through_leader(message)
            if known is None and conflict.code == "append.written" and len(messages) == 1:
                raise Unavailable("what was on its way there was lost with a leader", code="append.undecided")
            if known is None or not message.repeats(known.message):
                raise conflict
            sequence = known.sequence
        return sequence

    async def _through_leader(self, message: Message) -> Stored | None:
        """What is stored on the subject of ``message``, where the replica that was asked has nothing.

        Reading through the leader is a right over the whole stream, which an edge must not have. So the leader is
        asked for what it always refuses: to store the message again after a sequence that does not exist. The
        refusal tells whether the subject is written, and the replica is asked until it has that too.
        """
        async with self._patience(f"what the leader has on {message.subject!r}"):
            while await self._may_be_written(message):
                if (known := await self._direct(message.subject)) is not None:
                    return known
                await asyncio.sleep(_UNDECIDED_S)
        return None

    async def _may_be_written(self, message: Message) -> bool:
        """Whether the leader has something on the subject, or has it under way."""
        try:
            await self._publish(message, {_GUARD: str(_NEVER)})
        except Conflict as conflict:
            return conflict.details.get("last") != 0
        except Unavailable as error:
            if error.code != "append.undecided":
                raise
        return True

    async def get(self, subject: str) -> Stored | None:
        """The last message on exactly ``subject``, read directly."""
        found = await self._direct(subject)
        if found is None and (await self._connection.session()).clustered:
            found = await self._anywhere(subject)
        if found is not None:
            self._horizon.note(subject, found.sequence)
        return found

    async def _anywhere(self, subject: str) -> Stored | None:
        """What some replica has: each request goes to any of them, and the leader has all that was acknowledged."""
        for delay in _WAVES_S:
            await asyncio.sleep(delay)
            for found in await asyncio.gather(*(self._direct(subject) for _ in range(_WAVE))):
                if found is not None:
                    return found
        return None

    async def _direct(self, subject: str) -> Stored | None:
        reply = await self._connection.request(f"$JS.API.DIRECT.GET.{self._spec.name}.{subject}")
        if status(reply) == "404":
            return None
        return codec.from_direct(reply)

    @asynccontextmanager
    async def _patience(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(REQUEST_S):
                yield
        except TimeoutError:
            raise Unavailable(
                f"a replica of {self._spec.name} still lacks {what} after {REQUEST_S:g} s: try again",
                code="broker.behind",
            ) from None

    async def read(self, filter_: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Stored]:
        """Messages under ``filter_``, through temporary consumers that are replaced when one is lost."""
        position, least = after, self._known_under(filter_)
        failures = 0
        newest: datetime | None = None
        while True:
            try:
                async for stored in self._read_once(filter_, position, follow=follow):
                    if self._spec.last_only:
                        seen, newest = newest is not None and stored.stored_at <= newest, stored.stored_at
                    else:
                        seen = stored.sequence <= position
                    if seen:
                        continue
                    position = stored.sequence
                    self._horizon.note(stored.message.subject, position)
                    yield stored
                self._check_reached(least, position)
            except (Unavailable, NotFound) as error:
                failures += 1
                if not follow and failures > _AGAIN.get(error.code, 0):
                    raise _lost(error) from error
                if self._spec.last_only:
                    # A server that lost the newest messages, unsynced as they are, counts them again from before.
                    position = 0
            else:
                return
            await asyncio.sleep(_RETRY_S)

    def _check_reached(self, wanted: int, position: int) -> None:
        if position < wanted:
            raise Unavailable(
                f"a replica of {self._spec.name} ends before message {wanted}, which was read before: try again",
                code="broker.behind",
            )

    def _known_under(self, filter_: str) -> int:
        """A sequence under ``filter_`` that a reading must reach, since this broker was told of it."""
        horizon = self._horizon
        known = self._spec.permanent and horizon.sequence and subjects.matches(filter_, horizon.subject)
        return horizon.sequence if known else 0

    async def _read_once(self, filter_: str, after: int, *, follow: bool) -> AsyncIterator[Stored]:
        session = await self._connection.session()
        # Every message of a permanent stream is there for ever: a replica without the one that was read is behind.
        again = self._spec.permanent and session.clustered and filter_ in self._spec.subjects and after > 0
        name, waiting = await self._make_reader(filter_, after - 1 if again else after)
        try:
            if again and not follow:
                self._check_reached(after, after - 1 + min(waiting, 1))
            if waiting == 0 and not follow:
                return
            async for msg in Pull(session, self._spec.name, name, _READ_BATCH, grace_s=_GRACE_S).messages():
                waiting -= 1
                yield codec.from_delivery(msg)
                if not follow and _was_last(msg, waiting):
                    return
        finally:
            await self._drop_reader(name)

    async def _make_reader(self, filter_: str, after: int) -> tuple[str, int]:
        """A temporary consumer under one of this principal's reader names, and how much it has to deliver."""
        first = secrets.randbelow(topology.READERS_PER_PRINCIPAL)
        for offset in range(topology.READERS_PER_PRINCIPAL):
            slot = (first + offset) % topology.READERS_PER_PRINCIPAL
            name = topology.reader(self._connection.endpoint.principal, slot)
            try:
                made = await api.call(
                    self._connection,
                    f"CONSUMER.CREATE.{self._spec.name}.{name}.{filter_}",
                    {
                        "stream_name": self._spec.name,
                        "config": _reader_config(name, filter_, after),
                        "action": "create",
                    },
                )
            except Conflict:
                continue
            except Unavailable:
                # It may have been made, and would keep its name for a minute.
                await self._drop_reader(name)
                raise
            self._connection.clock.note(made.get("ts"))
            return name, int(made["num_pending"])
        raise Unavailable(
            f"all {topology.READERS_PER_PRINCIPAL} readers of {self._connection.endpoint.principal!r} are in use: "
            "end another command that follows the log",
            code="reader.busy",
        )

    async def _drop_reader(self, name: str) -> None:
        # Best effort: the server forgets a reader by itself when nobody pulls from it.
        with suppress(Unavailable):
            session = await self._connection.session()
            await session.publish(f"$JS.API.CONSUMER.DELETE.{self._spec.name}.{name}", b"")


def _lost(error: Unavailable | NotFound) -> Unavailable | NotFound:
    """A reader that is gone went with its server: another one can be had. A stream that is missing is missing."""
    if error.code != "consumer.missing":
        return error
    return Unavailable("the history could not be read to its end: its reader went with a server", code="reader.lost")


def _reader_config(name: str, filter_: str, after: int) -> dict[str, Any]:
    return {
        "name": name,
        "filter_subject": filter_,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "none",
        "inactive_threshold": _FORGET_READER_S * 1_000_000_000,
        "mem_storage": True,
        "num_replicas": 1,
        # Makes every reader unlike any other: creating one that exists must fail, not share its messages.
        "metadata": {"reader": secrets.token_hex(8)},
    }


def _guard_headers(guard: Guard | None) -> dict[str, str]:
    if guard is None:
        return {}
    return {_GUARD: str(guard.sequence), f"{_GUARD}-Subject": guard.filter}


def _was_last(msg: Msg, waiting: int) -> bool:
    return waiting <= 0 or codec.pending(msg) == 0
