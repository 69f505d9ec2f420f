from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Denied, Integrity, Invalid, MusterError, NotFound, VersionUnknown
from bus.events import CATALOGUE, Body, Catalogue
from bus.events.base import OwnerId, PrincipalId
from bus.events.cycles import Cycle, CycleExpired, CycleKind, CycleOpened
from bus.events.experiments import ExperimentAdmitted, StopRequested
from bus.events.principals import EdgeAppeared
from bus.identity.directory import Directory, sign
from bus.identity.keys import Identity
from bus.wire import envelope, subjects
from bus.wire.message import Message
from support.people import directory, identity, registration

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
CYCLE = Cycle(number=1, kind=CycleKind.TRAIN)


def said(body: Body, by: str = "coordinator", owner: str = "acme", **changes: object) -> Message:
    subject = subjects.of(body, owner=owner, actor=by)
    wrapped = envelope.wrap(
        body, subject=subject, actor=PrincipalId(by), time=NOW, correlation="X", traceparent="00-a-b-01"
    )
    return sign(replace(wrapped, **changes), identity(by))  # type: ignore[arg-type]


def changed(message: Message, **headers: str) -> Message:
    return Message(message.subject, {**message.headers, **{f"ce-{k}": v for k, v in headers.items()}}, message.data)


EXPIRED = CycleExpired(experiment="X", cycle=CYCLE)


def test_round_trip_with_all_attributes() -> None:
    opened = CycleOpened(experiment="X", cycle=CYCLE, cohort=("hospital-a",), quorum=1, deadline=NOW)
    message = said(opened, causation="cause")
    found = directory().verify(message)
    assert found.body == opened
    assert (found.actor, found.time, found.causation, found.correlation) == ("coordinator", NOW, "cause", "X")
    assert found.id == envelope.message_id(message.subject)
    assert found.traceparent == "00-a-b-01"


def test_headers_are_cloudevents() -> None:
    headers = said(EXPIRED).headers
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "muster.cycle.expired"
    assert headers["ce-source"] == "urn:muster:principal:coordinator"
    assert headers["ce-datacontenttype"] == "application/msgpack"
    assert headers["ce-time"] == "2026-11-21T12:00:00.123456Z"
    assert headers["ce-schemaversion"] == "1"


def test_the_same_words_have_the_same_id() -> None:
    assert said(EXPIRED).headers["ce-id"] == said(EXPIRED).headers["ce-id"]


def test_moving_or_changing_anything_breaks_the_signature() -> None:
    message = said(EXPIRED)
    other = said(CycleExpired(experiment="Y", cycle=CYCLE))
    tampered = [
        Message(other.subject, message.headers, message.data),
        Message(message.subject, message.headers, other.data),
        changed(message, time="2026-11-21T13:00:00Z"),
        changed(message, correlationid="Z"),
        changed(message, id="another"),
        changed(message, extra="smuggled"),
        changed(message, signature=other.headers["ce-signature"]),
    ]
    for each in tampered:
        with pytest.raises((Integrity, Invalid)):
            directory().verify(each)


def test_who_may_say_what() -> None:
    cases: list[tuple[Message, type[MusterError]]] = [
        (said(EXPIRED, by="aggregator"), Denied),
        (said(EXPIRED, by="hospital-a"), Denied),
        (said(registration("globex", 2), by="coordinator", owner="federation"), Denied),
        (said(StopRequested(experiment="X", request="r"), by="acme", owner="globex"), Denied),
    ]
    for message, family in cases:
        with pytest.raises(family):
            directory().verify(message)
    directory().verify(said(StopRequested(experiment="X", request="r"), by="acme", owner="acme"))
    directory().verify(said(StopRequested(experiment="X", request="r"), by="operator", owner="acme"))


def test_a_stranger_and_a_stolen_name() -> None:
    known = Directory(directory()["operator"])  # type: ignore[index]
    with pytest.raises(NotFound, match="not registered"):
        known.verify(said(EXPIRED))
    thief = Identity.generate(PrincipalId("coordinator"), identity("coordinator").role, OwnerId("federation"))
    subject = subjects.of(EXPIRED, owner="acme", actor="coordinator")
    forged = sign(envelope.wrap(EXPIRED, subject=subject, actor=PrincipalId("coordinator"), time=NOW), thief)
    with pytest.raises(NotFound):
        directory().verify(forged)


def test_registration_is_learnt_and_old_keys_still_prove_old_words() -> None:
    known = directory()
    old = said(EXPIRED)
    fresh = Identity.generate(PrincipalId("coordinator"), identity("coordinator").role, OwnerId("federation"))
    known.verify(said(registration("coordinator", 2, fresh), by="operator", owner="federation"))
    subject = subjects.of(EXPIRED, owner="acme", actor="coordinator")
    new = sign(envelope.wrap(EXPIRED, subject=subject, actor=PrincipalId("coordinator"), time=NOW), fresh)
    assert known.verify(new).body == known.verify(old).body == EXPIRED


def test_subject_must_follow_from_the_body() -> None:
    wrapped = envelope.wrap(
        EXPIRED,
        subject="ev.acme.cycle.Y.coordinator.expired.1-train-1",
        actor=PrincipalId("coordinator"),
        time=NOW,
    )
    with pytest.raises(Invalid, match="does not belong"):
        directory().verify(sign(wrapped, identity("coordinator")))


def test_newer_version_is_named() -> None:
    with pytest.raises(VersionUnknown, match="upgrade"):
        directory().verify(changed(said(EXPIRED), schemaversion="2"))


@pytest.mark.parametrize(
    "headers",
    [
        {"type": "muster.cycle.unheard"},
        {"schemaversion": "one"},
        {"specversion": "0.3"},
        {"datacontenttype": "application/json"},
        {"time": "yesterday"},
        {"time": "2026-11-21T12:00:00"},
        {"signature": "!!"},
    ],
)
def test_malformed_attributes(headers: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        directory().verify(changed(said(EXPIRED), **headers))


@pytest.mark.parametrize("name", ["type", "id", "source", "time", "signature", "keyid", "specversion"])
def test_missing_attributes(name: str) -> None:
    message = said(EXPIRED)
    headers = {k: v for k, v in message.headers.items() if k != f"ce-{name}"}
    with pytest.raises(Invalid, match=f"ce-{name}"):
        directory().verify(Message(message.subject, headers, message.data))


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=12), st.text(max_size=20), max_size=5))
def test_garbage_is_refused_in_order(data: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(MusterError):
        directory().verify(Message("ev.acme.cycle.X.coordinator.expired.1", headers, data))


@given(st.binary(max_size=200))
def test_garbage_bodies_are_refused_in_order(data: bytes) -> None:
    with pytest.raises(Invalid):
        envelope.decode_body("cycle.expired", 1, data)


def test_unknown_fields_are_ignored_and_missing_ones_named() -> None:
    content = {**EXPIRED.model_dump(), "invented_later": 1}
    assert envelope.decode_body("cycle.expired", 1, msgpack.packb(content)) == EXPIRED
    with pytest.raises(Invalid, match="cycle"):
        envelope.decode_body("cycle.expired", 1, msgpack.packb({"experiment": "X"}))


def test_upcasting_an_old_version() -> None:
    class Renamed(EdgeAppeared):
        VERSION = 3

    steps = {
        ("edge.appeared", 1): lambda body: {**body, "turn": body["round"]},
        ("edge.appeared", 2): lambda body: {**body, "turn": body["turn"] * 10},
    }
    catalogue = Catalogue([Renamed], steps)
    old = msgpack.packb({"edge": "e1", "round": 4})
    assert envelope.decode_body("edge.appeared", 1, old, catalogue).turn == 40  # type: ignore[attr-defined]


def test_every_type_is_complete() -> None:
    for cls in CATALOGUE:
        assert cls.BY, cls
        assert cls.TYPE.count(".") == 1, cls
        assert cls.__doc__, cls


def test_admitted_is_said_once_per_experiment() -> None:
    assert ExperimentAdmitted(experiment="X", reasons=(), rules="d").key is None
