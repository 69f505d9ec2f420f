"""Messages between the library's form and ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from bus.jetstream.inflow import Msg
from bus.wire.message import Message, Stored

_OWN: Final = "nats-"
_REPLY_TOKENS: Final = 9
_FRACTION: Final = re.compile(r"\.(\d+)")


def from_delivery(msg: Msg) -> Stored:
    """A message that a consumer delivered; its place is in the reply subject.

    ``$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<timestamp ns>.<pending>``
    """
    tokens = msg.reply.split(".")
    assert len(tokens) == _REPLY_TOKENS, msg.reply
    seconds, nanoseconds = divmod(int(tokens[7]), 1_000_000_000)
    stored_at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
    return Stored(Message(msg.subject, _headers(msg), bytes(msg.data)), int(tokens[5]), stored_at)


def attempt(msg: Msg) -> int:
    """How many times a delivery was handed out."""
    return int(msg.reply.split(".")[4])


def pending(msg: Msg) -> int:
    """How many messages the consumer still had behind this one."""
    return int(msg.reply.split(".")[8])


def from_direct(msg: Msg) -> Stored:
    """A message that was read directly; its place is in headers of the server's own."""
    headers = msg.headers or {}
    text = _FRACTION.sub(lambda found: f".{found.group(1)[:6]:0<6}", headers["Nats-Time-Stamp"])
    stored_at = datetime.fromisoformat(text)
    message = Message(headers["Nats-Subject"], _headers(msg), bytes(msg.data))
    return Stored(message, int(headers["Nats-Sequence"]), stored_at)


def _headers(msg: Msg) -> dict[str, str]:
    """Headers without the server's own, which are about transport and vary with the way of reading."""
    return {str(k): v for k, v in (msg.headers or {}).items() if not str(k).lower().startswith(_OWN)}
