"""A stream as a log: appends that can be repeated, reads that survive the server.

What the server's answers to an append mean, and why it is safe to say the same again, is in
``docs/decisions/0001``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from nats.aio.msg import Msg

from bus.errors import Conflict, NotFound, Timeout, Unavailable
from bus.jetstream import api, codec
from bus.jetstream.connection import Connection
from bus.jetstream.pull import Pull
from bus.jetstream.session import status
from bus.ports import Guard
from bus.wire import topology
from bus.wire.message import Message, Stored
from bus.wire.topology import Stream

_READ_BATCH: Final = 200
_FORGET_READER_S: Final = 60
_RETRY_S: Final = 0.2
_GUARD: Final = "Nats-Expected-Last-Subject-Sequence"


class JetStreamLog:
    """See ``bus.ports.Log``."""

    def __init__(self, connection: Connection, spec: Stream) -> None:
        self._connection = connection
        self._spec = spec

    async def append(self, messages: Sequence[Message], *, guard: Guard | None = None) -> int:
        """Store ``messages``; a lost answer is asked for again, since saying the same twice is harmless."""
        try:
            return await self._store(messages, guard)
        except Timeout:
            if not self._spec.write_once:
                raise
        except Conflict as conflict:
            return await self._already(messages, conflict)
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
            known = await self.get(message.subject)
            if known is None or not message.repeats(known.message):
                raise conflict
            sequence = known.sequence
        return sequence

    async def get(self, subject: str) -> Stored | None:
        """The last message on exactly ``subject``, read directly."""
        reply = await self._connection.request(f"$JS.API.DIRECT.GET.{self._spec.name}.{subject}")
        if status(reply) == "404":
            return None
        return codec.from_direct(reply)

    async def read(self, filter_: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Stored]:
        """Messages under ``filter_``, through temporary consumers that are replaced when one is lost."""
        position = after
        while True:
            try:
                async for stored in self._read_once(filter_, position, follow=follow):
                    position = stored.sequence
                    yield stored
            except (Unavailable, NotFound):
                if not follow:
                    raise
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _read_once(self, filter_: str, after: int, *, follow: bool) -> AsyncIterator[Stored]:
        name, waiting = await self._make_reader(filter_, after)
        try:
            if waiting == 0 and not follow:
                return
            session = await self._connection.session()
            async for msg in Pull(session, self._spec.name, name, _READ_BATCH).messages():
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
            return name, int(made["num_pending"])
        raise Unavailable(
            f"all {topology.READERS_PER_PRINCIPAL} readers of {self._connection.endpoint.principal!r} are in use: "
            "end another command that follows the log",
            code="reader.busy",
        )

    async def _drop_reader(self, name: str) -> None:
        # Best effort: the server forgets a reader by itself when nobody pulls from it.
        session = await self._connection.session()
        if not session.over.is_set():
            await session.publish(f"$JS.API.CONSUMER.DELETE.{self._spec.name}.{name}", b"")


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
