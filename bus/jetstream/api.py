"""The JetStream API: JSON requests, and its errors in our words.

Error numbers: server source ``server/errors.json``; the ones used here were observed on server 2.15.1.
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

from nats.aio.msg import Msg

from bus.errors import Conflict, Invalid, MusterError, NotFound, Unavailable
from bus.jetstream.connection import Connection


class Code(IntEnum):
    """JetStream error codes that mean something to us."""

    CONSUMER_NOT_FOUND = 10014
    MESSAGE_TOO_LARGE = 10054
    STREAM_NOT_FOUND = 10059
    WRONG_LAST_SEQUENCE = 10071
    STORE_FAILED = 10077
    """Over a limit of the stream: per subject (already written) or in bytes (full); only the text tells."""
    CONSUMER_EXISTS = 10148


_FAMILIES: dict[int, type[MusterError]] = {
    Code.CONSUMER_NOT_FOUND: NotFound,
    Code.MESSAGE_TOO_LARGE: Invalid,
    Code.STREAM_NOT_FOUND: NotFound,
    Code.WRONG_LAST_SEQUENCE: Conflict,
    Code.CONSUMER_EXISTS: Conflict,
}
_CODES: dict[int, str] = {
    Code.CONSUMER_NOT_FOUND: "consumer.missing",
    Code.MESSAGE_TOO_LARGE: "append.size",
    Code.STREAM_NOT_FOUND: "stream.missing",
    Code.WRONG_LAST_SEQUENCE: "append.guard",
    Code.CONSUMER_EXISTS: "consumer.exists",
}


async def call(connection: Connection, name: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call ``$JS.API.<name>`` and return the answer.

    Raises:
        MusterError: Of the family that the server's error belongs to.
    """
    reply = await connection.request(f"$JS.API.{name}", json.dumps(content or {}).encode())
    return answer(reply, name)


def answer(reply: Msg, what: str) -> dict[str, Any]:
    """The content of a JSON reply; ``what`` names the call in errors.

    Raises:
        MusterError: The reply is an error.
    """
    content: dict[str, Any] = json.loads(reply.data) if reply.data else {}
    if (error := content.get("error")) is not None:
        raise translate(error, what)
    return content


def translate(error: dict[str, Any], what: str) -> MusterError:
    """A server's error object as one of ours."""
    code, text = int(error.get("err_code", 0)), str(error.get("description", "unknown error"))
    if code == Code.STORE_FAILED and "per subject" in text:
        return Conflict(f"{what}: already written", code="append.written")
    if code == Code.STORE_FAILED or int(error.get("code", 0)) == 503:
        return Unavailable(
            f"{what}: the stream takes nothing more ({text}): free space or raise the disk budget", code="stream.full"
        )
    family = _FAMILIES.get(code, Invalid)
    return family(f"{what}: {text}", code=_CODES.get(code, f"jetstream.{code}"))
