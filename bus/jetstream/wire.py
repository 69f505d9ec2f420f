"""One connection to a NATS server, with as few copies as sockets allow (``docs/decisions/0027``).

A large payload is received by the kernel straight into the buffer that it is handed on in, and sent straight from the
caller's. There is no reconnecting and no request here: see ``session``.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import nkeys

from bus.errors import Denied, Unavailable
from bus.jetstream.inflow import Inflow, Msg, format_headers

_PORT: Final = 4222
_CRLF: Final = b"\r\n"
_LARGE_BYTES: Final = 16 * 1024
"""Payloads from this size on are not joined with what goes before and behind."""
_UNSENT_BYTES: Final = 256 * 1024
"""Writers wait while more than this has not gone to the kernel."""

Receiver = Callable[[Msg], None]
"""Takes a message; called on the event loop, must not block."""


class Wire(asyncio.BufferedProtocol):
    """One connection, from its handshake to its end.

    Args:
        on_error: Told what the server says is wrong without ending the connection.
        on_end: Told once that the connection has ended.
    """

    def __init__(self, on_error: Callable[[str], None], on_end: Callable[[], None]) -> None:
        self._on_error = on_error
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._inflow = Inflow(self._line, self._message)
        self._receivers: dict[str, Receiver] = {}
        self._numbers = 0
        self._pongs: deque[asyncio.Future[None]] = deque()
        self._writable = asyncio.Event()
        self._writable.set()
        self._informed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.info: dict[str, Any] = {}
        """What the server said of itself last."""
        self.refusal = ""
        """Why the server ended the connection, in its words."""
        self.ended = False

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        nkey_seed: bytes | None,
        on_error: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> Wire:
        """Connect and shake hands.

        Args:
            url: ``nats://host:port`` or ``tls://host:port``.
            name: Names the connection at the server.
            nkey_seed: The credential, if the server wants one.
            on_error: See the class.
            on_end: See the class.

        Raises:
            OSError: Nobody answers there, or TLS fails.
            Denied: The server does not accept the credential.
            Unavailable: It ends the connection, or talks something else.
        """
        parts = urlsplit(url)
        wire = cls(on_error, on_end)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: wire, parts.hostname or "", parts.port or _PORT)
        try:
            await wire._informed
            if parts.scheme == "tls" or wire.info.get("tls_required"):
                await wire._secure(parts.hostname or "")
            wire._write(b"CONNECT " + json.dumps(wire._greeting(name, nkey_seed)).encode() + _CRLF)
            await wire.ping()
        except BaseException as error:
            wire.abort()
            if isinstance(error, Unavailable) and "authorization" in wire.refusal.lower():
                raise Denied(f"the server at {url} does not accept the credential", code="broker.credential") from error
            raise
        return wire

    async def _secure(self, host: str) -> None:
        assert self._transport is not None
        context = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname=host)
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=_UNSENT_BYTES)

    def _greeting(self, name: str, nkey_seed: bytes | None) -> dict[str, Any]:
        content: dict[str, Any] = {
            "name": name,
            "lang": "python",
            "version": "1",
            "protocol": 1,
            "verbose": False,
            "pedantic": False,
            "echo": True,
            "headers": True,
            "no_responders": True,
            "tls_required": False,
        }
        if nkey_seed is not None and self.info.get("nonce"):
            key = nkeys.from_seed(bytearray(nkey_seed))
            content["nkey"] = key.public_key.decode()
            content["sig"] = base64.b64encode(key.sign(self.info["nonce"].encode())).decode()
            key.wipe()
        return content

    @property
    def max_payload(self) -> int:
        """Most bytes that the server takes in one message, headers included."""
        return int(self.info.get("max_payload", 0))

    async def publish(
        self, subject: str, data: bytes | bytearray | memoryview, reply: str, headers: Mapping[str, str] | None
    ) -> None:
        """Hand a message to the kernel, waiting while it does not take more.

        Raises:
            Unavailable: The connection has ended.
        """
        while not self._writable.is_set() and not self.ended:
            await self._writable.wait()
        head = f"{subject} {reply} " if reply else f"{subject} "
        if headers:
            block = format_headers(headers)
            start = f"HPUB {head}{len(block)} {len(block) + len(data)}\r\n".encode() + block
        else:
            start = f"PUB {head}{len(data)}\r\n".encode()
        if len(data) < _LARGE_BYTES:
            self._write(b"".join((start, data, _CRLF)))
        else:
            self._write(start)
            self._write(data)
            self._write(_CRLF)

    def subscribe(self, subject: str, receiver: Receiver) -> str:
        """Have messages on ``subject`` handed to ``receiver``; returns a number for ``unsubscribe``.

        Raises:
            Unavailable: The connection has ended.
        """
        self._numbers += 1
        number = str(self._numbers)
        self._receivers[number] = receiver
        self._write(f"SUB {subject} {number}\r\n".encode())
        return number

    def unsubscribe(self, number: str) -> None:
        """Want no more of a subscription's messages."""
        if self._receivers.pop(number, None) is not None and not self.ended:
            self._write(f"UNSUB {number}\r\n".encode())

    async def ping(self) -> None:
        """Return once the server has answered, and so has read everything that was written before.

        Raises:
            Unavailable: The connection has ended.
        """
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._write(b"PING\r\n")
        self._pongs.append(pong)
        await pong

    def close(self) -> None:
        """End the connection once what was written has gone out."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self.ended or self._transport is None or self._transport.is_closing():
            raise self._away()
        self._transport.write(data)

    def _away(self) -> Unavailable:
        why = f": {self.refusal}" if self.refusal else ""
        return Unavailable(f"the connection to the server has ended{why}", code="broker.away")

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note how to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_UNSENT_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of all who wait."""
        self.ended = True
        self._writable.set()
        if not self._informed.done():
            self._informed.set_exception(self._away())
        while self._pongs:
            pong = self._pongs.popleft()
            if not pong.done():
                pong.set_exception(self._away())
        self._on_end()

    def pause_writing(self) -> None:
        """The kernel does not take more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    def eof_received(self) -> bool:
        """The server will not say more: an end like any other."""
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._inflow.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what came."""
        try:
            self._inflow.took(nbytes)
        except (ValueError, KeyError) as error:
            self.refusal = f"it says what no NATS server would ({error})"
            self.abort()

    # What the server says.

    def _message(self, number: str, msg: Msg) -> None:
        receiver = self._receivers.get(number)
        if receiver is not None:
            receiver(msg)

    def _line(self, word: str, rest: bytes) -> None:
        match word:
            case "PING":
                self._write(b"PONG\r\n")
            case "PONG":
                if self._pongs and not (pong := self._pongs.popleft()).done():
                    pong.set_result(None)
            case "INFO":
                self.info = {**self.info, **json.loads(rest)}
                if not self._informed.done():
                    self._informed.set_result(None)
            case "-ERR":
                text = rest.decode(errors="replace").strip(" '")
                if text.lower().startswith("permissions violation"):
                    self._on_error(text)
                else:
                    self.refusal = text  # the server ends the connection now
            case "+OK":
                pass
            case _:
                raise ValueError(word[:20])
