"""Verifying a log offline, with logs made by hand: no broker, no service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_sink.domain.checkpoint import Checkpoint, sign
from audit_sink.domain.leaf import leaf_bytes
from audit_sink.domain.merkle import Frontier, leaf_hash
from audit_sink.domain.verification import verify
from bus.errors import Integrity
from bus.events import Event
from bus.events.base import FEDERATION, OwnerId, PrincipalId, Role
from bus.events.governance import Checkpointed, VendorAllowed
from bus.identity.directory import sign as signed
from bus.identity.keys import Identity
from bus.wire import subjects
from bus.wire.envelope import wrap
from bus.wire.message import Message, Stored
from support import people

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Book:
    """A log that is written by hand."""

    def __init__(self, *, introduced: bool = True) -> None:
        self.messages: list[Stored] = []
        self.frontiers = [Frontier()]
        if introduced:
            self.say("operator", people.registration("audit_sink"))

    def say(self, who: str, event: Event, keys: Identity | None = None) -> None:
        subject = subjects.of(event, owner=FEDERATION, actor=who)
        said = wrap(event, subject=subject, actor=PrincipalId(who), time=NOW)
        self.put(signed(said, keys or people.identity(who)))

    def put(self, message: Message) -> None:
        stored = Stored(message, len(self.messages) + 1, NOW)
        leaf = leaf_hash(leaf_bytes(stored.sequence, message.subject, message.headers, message.data))
        self.messages.append(stored)
        self.frontiers.append(self.frontiers[-1].append(leaf)[0])

    def allow(self, count: int) -> None:
        for _ in range(count):
            self.say("operator", VendorAllowed(vendor=OwnerId("acme"), request=f"r{len(self.messages)}"))

    def checkpoint(self, size: int | None = None, keys: Identity | None = None, **lies: Any) -> None:
        body = self.signed_for(len(self.messages) if size is None else size, keys or people.identity("audit_sink"))
        self.say("audit_sink", body.model_copy(update=lies), keys)

    def signed_for(self, size: int, keys: Identity, origin: str = "audit_sink") -> Checkpointed:
        root = self.frontiers[size].root()
        note = sign(Checkpoint(origin, size, root), keys.signing, "audit_sink")
        return Checkpointed(log=PrincipalId("audit_sink"), size=size, root=root, note=note)


def replaced_keys() -> Identity:
    return Identity.generate(PrincipalId("audit_sink"), Role.AUDIT_SINK, FEDERATION)


def test_it_tells_what_is_covered_and_what_is_not() -> None:
    book = Book()
    book.allow(5)
    book.checkpoint()
    book.allow(2)
    found = verify(book.messages, people.anchor())
    assert (found.events, found.covered, found.checkpoints, found.newer) == (9, 6, 1, 2)
    assert found.root == book.frontiers[6].root().hex()
    assert "2 newer events are not covered yet" in str(found)


def test_what_came_while_a_checkpoint_was_on_its_way_is_newer() -> None:
    book = Book()
    book.allow(5)
    book.allow(2)
    book.checkpoint(6)
    assert verify(book.messages, people.anchor()).newer == 2


def test_a_checkpoint_may_speak_of_a_beginning_that_was_signed_for_before() -> None:
    book = Book()
    book.allow(9)
    book.checkpoint()
    book.checkpoint(4)
    found = verify(book.messages, people.anchor())
    assert (found.covered, found.checkpoints, found.newer) == (10, 2, 0)


def test_a_message_that_proves_nothing_is_shown_and_does_no_harm() -> None:
    book = Book()
    book.put(Message("ev.acme.experiment.X.acme.submitted", {"ce-id": "1"}, b"garbage"))
    book.checkpoint()
    (unproven,) = verify(book.messages, people.anchor()).unproven
    assert (unproven.sequence, unproven.code) == (2, "envelope.attribute")


def test_a_replaced_key_of_the_audit_sink() -> None:
    """A checkpoint that was under way when the key was replaced is still signed by the old one."""
    book, keys = Book(), replaced_keys()
    book.allow(3)
    book.checkpoint()
    book.say("operator", people.registration("audit_sink", 2, keys))
    book.checkpoint()
    book.allow(1)
    book.checkpoint(keys=keys)
    assert verify(book.messages, people.anchor()).checkpoints == 3


def test_who_is_not_registered_yet_is_not_believed() -> None:
    book = Book(introduced=False)
    book.checkpoint()
    book.say("operator", people.registration("audit_sink"))
    book.checkpoint()
    found = verify(book.messages, people.anchor())
    assert [(each.sequence, each.code) for each in found.unproven] == [(1, "principal.unknown")]
    assert found.checkpoints == 1


def test_a_checkpoint_of_somebody_else_is_no_checkpoint() -> None:
    book = Book()
    book.say("operator", people.registration("acme"))
    body = book.signed_for(1, people.identity("acme"))
    subject = subjects.of(body, owner=FEDERATION, actor="acme")
    book.put(signed(wrap(body, subject=subject, actor=PrincipalId("acme"), time=NOW), people.identity("acme")))
    with pytest.raises(Integrity, match="no checkpoint"):
        verify(book.messages, people.anchor())
    book.checkpoint()
    assert [each.code for each in verify(book.messages, people.anchor()).unproven] == ["message.role"]


LIES: dict[str, tuple[Callable[[Book], None], str]] = {
    "another size": (
        lambda book: book.say(
            "audit_sink", book.signed_for(3, people.identity("audit_sink")).model_copy(update={"size": 2})
        ),
        "checkpoint.note",
    ),
    "another root": (lambda book: book.checkpoint(root=bytes(32)), "checkpoint.note"),
    "another tree": (
        lambda book: book.say(
            "audit_sink",
            Checkpointed(
                log=PrincipalId("audit_sink"),
                size=3,
                root=bytes(32),
                note=sign(Checkpoint("audit_sink", 3, bytes(32)), people.identity("audit_sink").signing, "audit_sink"),
            ),
        ),
        "checkpoint.root",
    ),
    "another log": (
        lambda book: book.say("audit_sink", book.signed_for(3, people.identity("audit_sink"), "elsewhere")),
        "checkpoint.note",
    ),
    "another key": (
        lambda book: book.say("audit_sink", book.signed_for(3, people.identity("acme"))),
        "note.unsigned",
    ),
    "no note": (lambda book: book.checkpoint(note="nonsense"), "note.form"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_audit_sink_that_lies_is_found(lie: str) -> None:
    book = Book()
    book.allow(4)
    tell, code = LIES[lie]
    tell(book)
    with pytest.raises(Integrity) as caught:
        verify(book.messages, people.anchor())
    assert caught.value.code == code
    assert caught.value.details["sequence"] == 6


def test_a_checkpoint_of_what_is_not_there() -> None:
    whole = Book()
    whole.allow(8)
    ahead = whole.signed_for(7, people.identity("audit_sink"))
    book = Book()
    book.allow(4)
    book.say("audit_sink", ahead)
    with pytest.raises(Integrity, match="speaks of 7 messages, but only 5 come before it"):
        verify(book.messages, people.anchor())


def test_the_numbers_of_messages_that_no_checkpoint_covers_count_too() -> None:
    book = Book()
    book.checkpoint()
    book.allow(3)
    with pytest.raises(Integrity, match="after message 2 comes 4"):
        verify([*book.messages[:2], *book.messages[3:]], people.anchor())


def test_an_empty_log_proves_nothing() -> None:
    with pytest.raises(Integrity, match="holds no checkpoint"):
        verify([], people.anchor())


@given(st.data())
def test_no_covered_message_can_be_changed_or_dropped_or_moved(data: st.DataObject) -> None:
    book = Book()
    book.allow(data.draw(st.integers(3, 12)))
    book.checkpoint()
    count = len(book.messages) - 1
    place = data.draw(st.integers(0, count - 1))
    messages = [stored.message for stored in book.messages]
    chosen = messages[place]
    match data.draw(st.sampled_from(["byte", "header", "drop", "swap", "repeat"])):
        case "byte":
            at = data.draw(st.integers(0, len(chosen.data) - 1))
            body = bytearray(chosen.data)
            body[at] ^= data.draw(st.integers(1, 255))
            messages[place] = Message(chosen.subject, chosen.headers, bytes(body))
        case "header":
            name = data.draw(st.sampled_from(sorted(chosen.headers)))
            messages[place] = Message(chosen.subject, {**chosen.headers, name: chosen.headers[name] + "x"}, chosen.data)
        case "drop":
            del messages[place]
        case "swap":
            other = data.draw(st.integers(0, count - 1).filter(lambda other: other != place))
            messages[place], messages[other] = messages[other], messages[place]
        case "repeat":
            messages.insert(place, messages[place - 1])
    with pytest.raises(Integrity):
        verify([Stored(message, number, NOW) for number, message in enumerate(messages, 1)], people.anchor())
