"""A durable consumer as an inbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from bus.errors import NotFound, Unavailable
from bus.jetstream import codec
from bus.jetstream.connection import Connection
from bus.jetstream.inflow import Msg
from bus.jetstream.log import Horizon
from bus.jetstream.pull import Pull
from bus.wire.message import Stored
from bus.wire.topology import Consumer

_RETRY_S: Final = 0.2
_REASON_CHARACTERS: Final = 200


@dataclass(frozen=True)
class JetStreamDelivery:
    """See ``bus.ports.Delivery``."""

    connection: Connection
    reply: str
    stored: Stored
    attempt: int

    async def ack(self) -> None:
        """Done; confirmed by the server."""
        await self.connection.request(self.reply, b"+ACK")

    async def nak(self, delay_s: float) -> None:
        """Not done; again after ``delay_s``."""
        await self._say(b"-NAK " + json.dumps({"delay": int(delay_s * 1_000_000_000)}).encode())

    async def term(self, reason: str) -> None:
        """Never again."""
        await self._say(f"+TERM {reason[:_REASON_CHARACTERS]}".encode())

    async def in_progress(self) -> None:
        """Start the waiting time anew."""
        await self._say(b"+WPI")

    async def _say(self, words: bytes) -> None:
        session = await self.connection.session()
        await session.publish(self.reply, words)


class JetStreamInbox:
    """See ``bus.ports.Inbox``."""

    def __init__(self, connection: Connection, spec: Consumer, horizon: Horizon) -> None:
        self._connection = connection
        self._spec = spec
        self._horizon = horizon

    async def deliveries(self) -> AsyncIterator[JetStreamDelivery]:
        """Work as it comes, over as many sessions as it takes."""
        while True:
            try:
                session = await self._connection.session()
                pull = Pull(session, self._spec.stream, self._spec.name, self._spec.max_ack_pending)
                async for msg in pull.messages():
                    yield self._delivery(msg)
            except (Unavailable, NotFound):
                # The consumer is made by the federation's set-up; after a restart the server needs a moment.
                await asyncio.sleep(_RETRY_S)

    def _delivery(self, msg: Msg) -> JetStreamDelivery:
        stored = codec.from_delivery(msg)
        self._horizon.note(stored.message.subject, stored.sequence)
        return JetStreamDelivery(self._connection, msg.reply, stored, codec.attempt(msg))
