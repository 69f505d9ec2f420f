"""What the server's errors mean to those who called."""

from __future__ import annotations

import pytest

from bus.errors import Configuration, Conflict, Invalid, MusterError, NotFound, Unavailable
from bus.jetstream.api import translate

ERRORS = [
    (400, 10005, "no suitable peers for placement", Unavailable, "broker.no_quorum"),
    (503, 10008, "JetStream system temporarily unavailable", Unavailable, "broker.no_quorum"),
    (500, 10009, "JetStream cluster can not handle request", Unavailable, "broker.no_quorum"),
    (500, 10118, "stream is offline", Unavailable, "broker.no_quorum"),
    (500, 10194, "stream is offline: unsupported", Unavailable, "broker.no_quorum"),
    (429, 10167, "too many requests", Unavailable, "broker.no_quorum"),
    (400, 10176, "atomic publish batch is incomplete", Unavailable, "broker.no_quorum"),
    (400, 10164, "wrong last sequence", Unavailable, "append.undecided"),
    (400, 10071, "wrong last sequence: 7", Conflict, "append.guard"),
    (503, 10077, "maximum messages per subject exceeded", Conflict, "append.written"),
    (503, 10077, "maximum bytes exceeded", Unavailable, "stream.full"),
    (503, 10023, "insufficient resources", Unavailable, "stream.full"),
    (500, 10074, "replicas > 1 not supported in non-clustered mode", Configuration, "stream.copies"),
    (404, 10059, "stream not found", NotFound, "stream.missing"),
    (400, 10052, "invalid stream config", Invalid, "jetstream.10052"),
]


@pytest.mark.parametrize(("status", "number", "text", "family", "code"), ERRORS)
def test_families(status: int, number: int, text: str, family: type[MusterError], code: str) -> None:
    error = translate({"code": status, "err_code": number, "description": text}, "append to 'ev.a'")
    assert (type(error), error.code) == (family, code)
    assert "append to 'ev.a'" in error.message


def test_the_leader_tells_the_last_sequence() -> None:
    error = translate({"code": 400, "err_code": 10071, "description": "wrong last sequence: 7"}, "append")
    assert error.details == {"last": 7}
