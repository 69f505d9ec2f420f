"""What a NATS server sends, taken apart as it comes: lines, and messages whose payloads are not copied if large.

Protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_CRLF: Final = b"\r\n"
_BUFFER_BYTES: Final = 64 * 1024
"""Holds control lines and small messages. The longest line is the server's ``INFO``."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""No server takes larger messages, so none sends them."""


@dataclass(frozen=True, slots=True)
class Msg:
    """A message that was received.

    Attributes:
        subject: It came on.
        reply: Where an answer is expected; empty for none.
        headers: By name; the last of several of one name. ``None`` if there are none. ``Status`` and ``Description``
            are those of the server's own notices.
        data: The payload.
    """

    subject: str
    reply: str
    headers: Mapping[str, str] | None
    data: bytes | bytearray


@dataclass(frozen=True, slots=True)
class _Head:
    number: str
    subject: str
    reply: str
    headers: Mapping[str, str] | None


class Inflow:
    """Takes bytes in where it says that they go, and tells what they mean.

    Args:
        on_line: Told of every line that does not announce a message: its first word, in capitals, and the rest.
        on_message: Told of every message, with the number of its subscription.
    """

    def __init__(self, on_line: Callable[[str, bytes], None], on_message: Callable[[str, Msg], None]) -> None:
        self._on_line = on_line
        self._on_message = on_message
        self._buffer = bytearray(_BUFFER_BYTES)
        self._filled = 0
        self._head: _Head | None = None
        self._payload: bytearray | None = None
        self._received = 0

    def room(self) -> memoryview:
        """Where the next bytes go: into the payload that is under way, if there is one."""
        if self._payload is not None:
            return memoryview(self._payload)[self._received :]
        return memoryview(self._buffer)[self._filled :]

    def took(self, count: int) -> None:
        """So many bytes came.

        Raises:
            ValueError: No NATS server says that.
        """
        if self._payload is not None:
            self._received += count
            if self._received == len(self._payload):
                self._hand_on(self._payload)
            return
        self._filled += count
        place = self._understand()
        rest = 0 if self._payload is not None else self._filled - place
        if rest and place:
            self._buffer[:rest] = self._buffer[place : self._filled]
        self._filled = rest
        if rest == len(self._buffer):
            raise ValueError("a line that does not end")

    def _understand(self) -> int:
        """Act on whole lines and messages in the buffer; where what is incomplete begins."""
        place = 0
        while self._payload is None:
            end = self._buffer.find(_CRLF, place, self._filled)
            if end < 0:
                break
            word, _, rest = bytes(self._buffer[place:end]).partition(b" ")
            after = end + len(_CRLF)
            kind = word.decode("ascii").upper()
            if kind in {"MSG", "HMSG"}:
                begun = self._message(rest.decode().split(), after, headers=kind == "HMSG")
                if begun is None:
                    break
                place = begun
            else:
                # The line end behind a payload is an empty line.
                if kind:
                    self._on_line(kind, rest)
                place = after
        return place

    def _message(self, parts: list[str], place: int, *, headers: bool) -> int | None:
        """A message whose line was read: its headers are waited for, its payload is received where it belongs."""
        least = 4 if headers else 3
        if not least <= len(parts) <= least + 1:
            raise ValueError("a malformed message")
        total = int(parts.pop())
        block_bytes = int(parts.pop()) if headers else 0
        if not 0 <= block_bytes <= total <= _MOST_BYTES or block_bytes >= _BUFFER_BYTES // 2:
            raise ValueError("a message of impossible size")
        if self._filled - place < block_bytes:
            return None
        block = bytes(self._buffer[place : place + block_bytes])
        place += block_bytes
        subject, number, *reply = parts
        self._head = _Head(number, subject, reply[0] if reply else "", parse_headers(block) if headers else None)
        size = total - block_bytes
        there = min(size, self._filled - place)
        if there == size:
            self._hand_on(bytes(self._buffer[place : place + size]))
        else:
            self._payload = bytearray(size)
            self._payload[:there] = self._buffer[place : place + there]
            self._received = there
        return place + there

    def _hand_on(self, data: bytes | bytearray) -> None:
        head = self._head
        assert head is not None
        self._payload, self._head = None, None
        self._on_message(head.number, Msg(head.subject, head.reply, head.headers, data))


def parse_headers(block: bytes) -> dict[str, str]:
    """Headers of a block ``NATS/1.0 [status [description]]``, a line each, an empty line."""
    first, *lines = block.decode().split("\r\n")
    found = {}
    _, _, inline = first.partition(" ")
    if inline.strip():
        status, _, description = inline.strip().partition(" ")
        found["Status"] = status
        if description:
            found["Description"] = description
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def format_headers(headers: Mapping[str, str]) -> bytes:
    """The block for ``headers``."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"NATS/1.0\r\n{lines}\r\n".encode()
