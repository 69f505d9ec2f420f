"""Pulling from a consumer: overlapping requests, heartbeats, no stall and no loss.

Two requests are kept in flight, so that the server always has one to serve. A request ends by having been
served, by a status message, or by silence: then a new one takes its place.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from bus.errors import NotFound, Unavailable
from bus.jetstream.inflow import Msg
from bus.jetstream.session import Session, status

_EXPIRES_S: Final = 30.0
_HEARTBEAT_S: Final = 5.0
_SILENCE_S: Final = 2.5 * _HEARTBEAT_S
_UNKNOWN_S: Final = 0.02
_NS: Final = 1_000_000_000
_GONE: Final = ("consumer deleted", "consumer not found", "stream deleted", "no responders")


class Pull:
    """Messages of one consumer within one session.

    Args:
        session: Within which.
        stream: Of the consumer.
        consumer: Its name.
        batch: How many messages to ask for at once.
        grace_s: How long the consumer may be unknown: in a cluster, the server of this session may hear of a consumer
            that was just made later than the one that made it.
    """

    def __init__(self, session: Session, stream: str, consumer: str, batch: int, *, grace_s: float = 0.0) -> None:
        self._session = session
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._consumer = consumer
        self._batch = batch
        self._queue: asyncio.Queue[Msg] = asyncio.Queue()
        self._requests: OrderedDict[str, int] = OrderedDict()
        self._asked = 0
        self._inbox = ""
        self._known_by = asyncio.get_running_loop().time() + grace_s

    async def messages(self) -> AsyncIterator[Msg]:
        """Messages as they come, without end.

        Raises:
            Unavailable: The session ended.
            NotFound: The consumer does not exist (any more).
        """
        suffix = f"p.{self._consumer}.{id(self):x}"
        inbox, number = self._session.subscribe(f"{suffix}.*", self._queue.put_nowait)
        self._inbox = inbox.removesuffix("*")
        try:
            while True:
                await self._ask()
                msg = await self._take()
                if msg is None:
                    self._requests.clear()
                elif (code := status(msg)) is not None:
                    if not self._note(msg, code):
                        await asyncio.sleep(_UNKNOWN_S)
                else:
                    self._served()
                    yield msg
        finally:
            with suppress(Unavailable):
                self._session.unsubscribe(number)

    async def _ask(self) -> None:
        while len(self._requests) < 2:
            self._asked += 1
            name = str(self._asked)
            self._requests[name] = self._batch
            content = {
                "batch": self._batch,
                "expires": int(_EXPIRES_S * _NS),
                "idle_heartbeat": int(_HEARTBEAT_S * _NS),
            }
            await self._session.publish(self._next, json.dumps(content).encode(), reply=self._inbox + name)

    async def _take(self) -> Msg | None:
        """The next message, or ``None`` after too long a silence."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        taking = asyncio.ensure_future(self._queue.get())
        over = asyncio.ensure_future(self._session.over.wait())
        try:
            await asyncio.wait({taking, over}, timeout=_SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
            if self._session.over.is_set():
                raise Unavailable("the connection to the server ended", code="broker.away")
            return None
        finally:
            taking.cancel()
            over.cancel()

    def _served(self) -> None:
        # The server serves requests in the order in which they came.
        if self._requests:
            name, left = next(iter(self._requests.items()))
            if left == 1:
                del self._requests[name]
            else:
                self._requests[name] = left - 1

    def _note(self, msg: Msg, code: str) -> bool:
        """Take notice of a status message; ``False`` if it says that the consumer is not known yet."""
        if code == "100":
            return True
        self._requests.pop(msg.subject.rsplit(".", 1)[-1], None)
        if code == "503" and asyncio.get_running_loop().time() < self._known_by:
            return False
        description = str((msg.headers or {}).get("Description", "")).lower()
        if code == "503" or any(sign in description for sign in _GONE):
            raise NotFound(f"consumer {self._consumer!r} does not exist", code="consumer.missing")
        return True
