"""What a server sends is understood however the network cuts it, and nonsense is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.jetstream.inflow import Inflow, Msg, format_headers, parse_headers

NAMES = st.text("abcdefghij-", min_size=1, max_size=8)
MESSAGES = st.lists(
    st.tuples(
        NAMES,
        st.one_of(st.just(""), NAMES),
        st.one_of(st.none(), st.dictionaries(NAMES, NAMES, max_size=3)),
        st.one_of(st.binary(max_size=40), st.integers(60_000, 200_000).map(bytes)),
    ),
    max_size=5,
)


class Heard:
    """An inflow, and what it told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes]] = []
        self.messages: list[tuple[str, Msg]] = []
        self.inflow = Inflow(
            lambda word, rest: self.lines.append((word, rest)),
            lambda number, msg: self.messages.append((number, msg)),
        )

    def send(self, data: bytes, most: int) -> None:
        """``data``, in pieces of at most ``most`` bytes."""
        view = memoryview(data)
        while view:
            room = self.inflow.room()
            count = min(len(room), len(view), most)
            room[:count] = view[:count]
            view = view[count:]
            self.inflow.took(count)


def frame(subject: str, reply: str, headers: dict[str, str] | None, data: bytes) -> bytes:
    to = f"{subject} 7 {reply} " if reply else f"{subject} 7 "
    if headers is None:
        return f"MSG {to}{len(data)}\r\n".encode() + data + b"\r\n"
    block = format_headers(headers)
    return f"HMSG {to}{len(block)} {len(block) + len(data)}\r\n".encode() + block + data + b"\r\n"


@given(MESSAGES, st.integers(1, 100_000))
def test_every_cut_gives_the_same(messages: list[tuple[str, str, dict[str, str] | None, bytes]], most: int) -> None:
    heard = Heard()
    text = b"".join(b"PING\r\n" + frame(*message) for message in messages)
    heard.send(text, most if len(text) < 20_000 else max(most, 500))
    assert heard.lines == [("PING", b"")] * len(messages)
    found = [(m.subject, m.reply, m.headers, bytes(m.data)) for number, m in heard.messages if number == "7"]
    assert found == messages


def test_notices_have_a_status() -> None:
    assert parse_headers(b"NATS/1.0 503\r\n\r\n") == {"Status": "503"}
    found = parse_headers(b"NATS/1.0 409 Consumer Deleted\r\nNats-X: a: b\r\n\r\n")
    assert found == {"Status": "409", "Description": "Consumer Deleted", "Nats-X": "a: b"}
    assert parse_headers(format_headers({"a": "b"})) == {"a": "b"}


@pytest.mark.parametrize(
    "nonsense",
    [
        b"MSG a 1\r\n",
        b"MSG a 1 -5\r\n",
        b"MSG a 1 many\r\n",
        b"MSG a 1 2 3 4 5\r\n",
        b"HMSG a 1 20 10\r\n",
        b"HMSG a 1 60000 60001\r\n",
        b"MSG a 1 99999999999\r\n",
        b"\xff\xfe\r\n",
        b"x" * 70_000,
    ],
)
def test_nonsense_is_refused(nonsense: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Heard().send(nonsense, 1000)
