"""One connection to the server, from its handshake to its end. Never revived: see ``connection``."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from bus.errors import Denied, Invalid, Timeout, Unavailable

_log = logging.getLogger(__name__)

_PERMISSION: Final = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]*)\"", re.IGNORECASE)
_HEADER_LINE_BYTES: Final = 4
_HEADER_FRAME_BYTES: Final = 12


class Session:
    """A connected client whose requests end when it ends.

    Args:
        client: Connected, with its own reconnecting switched off.
        inbox: Subject prefix under which this principal may subscribe.
    """

    def __init__(self, client: Client, inbox: str) -> None:
        self._client = client
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
        client = Client()
        session = cls(client, inbox)
        try:
            await asyncio.wait_for(
                client.connect(
                    url,
                    name=name,
                    nkeys_seed_str=nkey_seed.decode() if nkey_seed else None,
                    inbox_prefix=inbox,
                    # The library would retry for two minutes and reconnect behind our back.
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=max(1, int(timeout_s)),
                    ping_interval=10,
                    max_outstanding_pings=2,
                    error_cb=session._on_error,
                    closed_cb=session._on_closed,
                ),
                timeout_s,
            )
            await client.subscribe(f"{inbox}.r.*", cb=session._on_reply)
        except (OSError, TimeoutError, nats_errors.NoServersError) as error:
            await client.close()
            raise Unavailable(f"no server answers at {url}: is it running?", code="broker.away") from error
        except nats_errors.Error as error:
            await client.close()
            if "authorization" in str(error).lower():
                raise Denied(
                    f"the server at {url} does not accept the credential of {name}", code="broker.credential"
                ) from error
            raise Unavailable(f"cannot talk to the server at {url}: {error}", code="broker.away") from error
        return session

    @property
    def clustered(self) -> bool:
        """Whether the server is one of a cluster: what it reads may come from a replica that is behind."""
        return bool(self._client._server_info.get("cluster"))  # noqa: SLF001 - the library has no other way

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
        try:
            # A memoryview works as well as bytes and saves a copy; the library's annotation knows bytes only.
            await self._client.publish(subject, cast("bytes", data), reply, dict(headers) if headers else None)
        except (nats_errors.Error, OSError) as error:
            raise Unavailable("the connection to the server has ended", code="broker.away") from error

    async def subscribe(self, suffix: str, callback: Callable[[Msg], Awaitable[None]]) -> tuple[str, Subscription]:
        """Listen on a subject of this principal's own; returns the subject too.

        Raises:
            Unavailable: The connection has ended.
        """
        subject = f"{self._inbox}.{suffix}"
        try:
            return subject, await self._client.subscribe(
                subject, cb=callback, pending_msgs_limit=0, pending_bytes_limit=0
            )
        except (nats_errors.Error, OSError) as error:
            raise Unavailable("the connection to the server has ended", code="broker.away") from error

    async def alive(self, timeout_s: float) -> bool:
        """Whether the server still answers a ping and this client still reads."""
        try:
            await self._client.flush(timeout=max(1, int(timeout_s)))
        except (nats_errors.Error, OSError, ValueError):
            return False
        return not self.over.is_set()

    async def close(self) -> None:
        """End the connection; waiting requests fail."""
        await self._client.close()
        await self._on_closed()

    def _check_size(self, body_bytes: int, headers: Mapping[str, str]) -> None:
        size = body_bytes + sum(len(k) + len(v.encode()) + _HEADER_LINE_BYTES for k, v in headers.items())
        size += _HEADER_FRAME_BYTES if headers else 0
        # The library checks the body alone; the server counts headers too and would end the connection.
        if size > self._client.max_payload:
            raise Invalid(
                f"a message of {size} bytes is too large: the server takes {self._client.max_payload}",
                code="append.size",
            )

    async def _on_reply(self, msg: Msg) -> None:
        token = msg.subject.rsplit(".", 1)[-1]
        _, future = self._waiting.get(token, (None, None))
        if future is not None and not future.done():
            future.set_result(msg)

    async def _on_error(self, error: Exception) -> None:
        # The server names the subject that was denied, not the request: fail all that wait on that subject.
        found = _PERMISSION.search(str(error))
        if found is None:
            return
        _log.warning("the server denies %s to %r", *found.groups())
        for subject, future in self._waiting.values():
            if subject.lower() == found.group(2).lower() and not future.done():
                future.set_exception(Denied(f"the credential may not use {subject!r}", code="broker.permission"))

    async def _on_closed(self) -> None:
        self.over.set()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(Unavailable("the connection to the server ended", code="broker.away"))


def status(msg: Msg) -> str | None:
    """The status code of a reply without content (``404``, ``408``, ...)."""
    return (msg.headers or {}).get("Status")
