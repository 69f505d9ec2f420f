"""One connection to the server, from its handshake to its end. Never revived: see ``connection``."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Final

from bus.errors import Denied, Invalid, Timeout, Unavailable
from bus.jetstream.inflow import Msg
from bus.jetstream.wire import Receiver, Wire

_log = logging.getLogger(__name__)

_PERMISSION: Final = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]*)\"", re.IGNORECASE)
_HEADER_LINE_BYTES: Final = 4
_HEADER_FRAME_BYTES: Final = 12
_CLOSE_S: Final = 2.0
"""How long to wait for the last words to go out."""


class Session:
    """A connection whose requests end when it ends. Open one with ``open``.

    Args:
        inbox: Subject prefix under which this principal may subscribe.
    """

    def __init__(self, inbox: str) -> None:
        self._wire: Wire
        self._inbox = inbox
        self._waiting: dict[str, tuple[str, asyncio.Future[Msg]]] = {}
        self._tokens = 0
        self.over = asyncio.Event()
        """Set when the connection has ended, for whatever reason."""

    @classmethod
    async def open(cls, url: str, *, name: str, nkey_seed: bytes | None, inbox: str, timeout_s: float) -> Session:
        """Connect.

        Raises:
            Unavailable: Nobody answers at ``url``.
            Denied: The server does not accept the credential.
        """
        session = cls(inbox)
        try:
            async with asyncio.timeout(timeout_s):
                session._wire = await Wire.connect(
                    url, name=name, nkey_seed=nkey_seed, on_error=session._on_error, on_end=session._on_end
                )
                session._wire.subscribe(f"{inbox}.r.*", session._on_reply)
        except Denied as error:
            raise Denied(
                f"the server at {url} does not accept the credential of {name}", code="broker.credential"
            ) from error
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"no server answers at {url}: is it running?", code="broker.away") from error
        return session

    @property
    def clustered(self) -> bool:
        """Whether the server is one of a cluster: what it reads may come from a replica that is behind."""
        return bool(self._wire.info.get("cluster"))

    async def request(
        self, subject: str, data: bytes | memoryview, *, headers: Mapping[str, str] | None = None, timeout_s: float
    ) -> Msg:
        """Publish and wait for the reply.

        Raises:
            Timeout: No reply in time; the effect may have happened.
            Denied: The credential may not publish on ``subject``.
            Unavailable: Nobody listens there, or the connection ended meanwhile.
            Invalid: Larger than the server takes.
        """
        self._tokens += 1
        token = str(self._tokens)
        future: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._waiting[token] = (subject, future)
        try:
            await self.publish(subject, data, headers=headers, reply=f"{self._inbox}.r.{token}")
            async with asyncio.timeout(timeout_s):
                reply = await future
        except TimeoutError:
            raise Timeout(f"no answer on {subject!r} within {timeout_s:g} s", code="broker.timeout") from None
        finally:
            self._waiting.pop(token, None)
        if status(reply) == "503":
            raise Unavailable(
                f"nobody answers on {subject!r}: its stream is missing, or too few servers of its cluster are up",
                code="broker.no_responder",
            )
        return reply

    async def publish(
        self,
        subject: str,
        data: bytes | memoryview,
        *,
        headers: Mapping[str, str] | None = None,
        reply: str = "",
    ) -> None:
        """Hand a message to the connection; no promise that it arrives.

        Raises:
            Unavailable: The connection has ended.
            Invalid: Larger than the server takes.
        """
        self._check_size(len(data), headers or {})
        await self._wire.publish(subject, data, reply, headers)

    def subscribe(self, suffix: str, receiver: Receiver) -> tuple[str, str]:
        """Listen on a subject of this principal's own; returns the subject, and a number for ``unsubscribe``.

        Raises:
            Unavailable: The connection has ended.
        """
        subject = f"{self._inbox}.{suffix}"
        return subject, self._wire.subscribe(subject, receiver)

    def unsubscribe(self, number: str) -> None:
        """Listen no more."""
        self._wire.unsubscribe(number)

    async def alive(self, timeout_s: float) -> bool:
        """Whether the server still answers a ping and this client still reads."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wire.ping()
        except (Unavailable, TimeoutError):
            return False
        return not self.over.is_set()

    async def close(self) -> None:
        """End the connection; waiting requests fail."""
        self._wire.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self.over.wait()
        except TimeoutError:
            self._wire.abort()
            await self.over.wait()

    def _check_size(self, body_bytes: int, headers: Mapping[str, str]) -> None:
        size = body_bytes + sum(len(k) + len(v.encode()) + _HEADER_LINE_BYTES for k, v in headers.items())
        size += _HEADER_FRAME_BYTES if headers else 0
        # The server would end the connection.
        if size > self._wire.max_payload:
            raise Invalid(
                f"a message of {size} bytes is too large: the server takes {self._wire.max_payload}",
                code="append.size",
            )

    def _on_reply(self, msg: Msg) -> None:
        token = msg.subject.rsplit(".", 1)[-1]
        _, future = self._waiting.get(token, (None, None))
        if future is not None and not future.done():
            future.set_result(msg)

    def _on_error(self, text: str) -> None:
        # The server names the subject that was denied, not the request: fail all that wait on that subject.
        found = _PERMISSION.search(text)
        if found is None:
            return
        _log.warning("the server denies %s to %r", *found.groups())
        for subject, future in self._waiting.values():
            if subject.lower() == found.group(2).lower() and not future.done():
                future.set_exception(Denied(f"the credential may not use {subject!r}", code="broker.permission"))

    def _on_end(self) -> None:
        self.over.set()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(Unavailable("the connection to the server ended", code="broker.away"))


def status(msg: Msg) -> str | None:
    """The status code of a reply without content (``404``, ``408``, ...)."""
    return (msg.headers or {}).get("Status")
