"""The JetStream API: JSON requests, and its errors in our words.

Error numbers: server source ``server/errors.json``; the ones used here were observed on server 2.15.1.
"""

from __future__ import annotations

import json
import re
from enum import IntEnum
from typing import Any, Final

from bus.errors import Configuration, Conflict, Invalid, MusterError, NotFound, Unavailable
from bus.jetstream.connection import Connection
from bus.jetstream.inflow import Msg


class Code(IntEnum):
    """JetStream error codes that mean something to us."""

    NO_PEERS = 10005
    CLUSTER_AWAY = 10008
    NOT_LEADER = 10009
    CONSUMER_NAME_TAKEN = 10013
    CONSUMER_NOT_FOUND = 10014
    MESSAGE_TOO_LARGE = 10054
    STREAM_NOT_FOUND = 10059
    WRONG_LAST_SEQUENCE = 10071
    NOT_CLUSTERED = 10074
    STORE_FAILED = 10077
    """Over a limit of the stream: per subject (already written) or in bytes (full); only the text tells."""
    STREAM_OFFLINE = 10118
    CONSUMER_OFFLINE = 10119
    CONSUMER_EXISTS = 10148
    SEQUENCE_NOT_READY = 10163
    WRITING_ALREADY = 10164
    """In a cluster: another message under the guard is on its way, which may still be lost with the leader."""
    TOO_MANY_REQUESTS = 10167
    BATCH_INCOMPLETE = 10176
    STREAM_OFFLINE_WHY = 10194
    CONSUMER_OFFLINE_WHY = 10195


_FAMILIES: dict[int, type[MusterError]] = {
    Code.CONSUMER_NAME_TAKEN: Conflict,
    Code.CONSUMER_NOT_FOUND: NotFound,
    Code.MESSAGE_TOO_LARGE: Invalid,
    Code.STREAM_NOT_FOUND: NotFound,
    Code.WRONG_LAST_SEQUENCE: Conflict,
    Code.WRITING_ALREADY: Unavailable,
    Code.CONSUMER_EXISTS: Conflict,
}
_CODES: dict[int, str] = {
    Code.CONSUMER_NAME_TAKEN: "consumer.exists",
    Code.CONSUMER_NOT_FOUND: "consumer.missing",
    Code.MESSAGE_TOO_LARGE: "append.size",
    Code.STREAM_NOT_FOUND: "stream.missing",
    Code.WRONG_LAST_SEQUENCE: "append.guard",
    Code.WRITING_ALREADY: "append.undecided",
    Code.CONSUMER_EXISTS: "consumer.exists",
}
_LAST: Final = re.compile(r"wrong last sequence: (\d+)")
_LATER: Final = {
    Code.NO_PEERS,
    Code.CLUSTER_AWAY,
    Code.NOT_LEADER,
    Code.STREAM_OFFLINE,
    Code.CONSUMER_OFFLINE,
    Code.SEQUENCE_NOT_READY,
    Code.TOO_MANY_REQUESTS,
    Code.BATCH_INCOMPLETE,
    Code.STREAM_OFFLINE_WHY,
    Code.CONSUMER_OFFLINE_WHY,
}
"""What a cluster says while it has no leader, or too few of its servers are up: it passes."""


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
    if code in _LATER:
        return Unavailable(
            f"{what}: the servers cannot do that now ({text}): more than half of the cluster must be up and connected; "
            "try again",
            code="broker.no_quorum",
        )
    if code == Code.NOT_CLUSTERED:
        return Configuration(f"{what}: copies need a cluster ({text}): ask for one copy", code="stream.copies")
    if code == Code.STORE_FAILED or int(error.get("code", 0)) == 503:
        return Unavailable(
            f"{what}: the stream takes nothing more ({text}): free space or raise the disk budget", code="stream.full"
        )
    family = _FAMILIES.get(code, Invalid)
    facts = {}
    if code == Code.WRONG_LAST_SEQUENCE and (found := _LAST.search(text)) is not None:
        facts["last"] = int(found.group(1))
    return family(f"{what}: {text}", code=_CODES.get(code, f"jetstream.{code}"), **facts)
