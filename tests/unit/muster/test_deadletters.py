"""Dead letters: what they say, and which of them can be handed out again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgpack
import pytest

from bus.errors import Invalid, NotFound
from bus.events import Command
from bus.events.base import FEDERATION, DatasetId, ExperimentId, PrincipalId
from bus.events.cycles import CancelExperiment, Cycle, CycleKind, RunCycle
from bus.events.experiments import Limits, TaskData
from bus.identity.directory import Directory, sign
from bus.memory import MemoryBroker
from bus.runtime.voice import Voice
from bus.wire import subjects, topology
from bus.wire.envelope import wrap
from bus.wire.message import Message, Stored
from bus.wire.topology import StreamName
from muster import deadletters
from support.people import ROLES, anchor, directory, identity
from support.story import sealed

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
EVENT = Message("ev.acme.experiment.x.acme.submitted", {"ce-causationid": "cause", "subject": "mine"}, b"\xc1")


async def with_letters() -> MemoryBroker:
    broker = MemoryBroker()
    for service, sequence, code in (("coordinator", 3, "envelope.body"), ("aggregator", 4, "weights.finite")):
        stored = Stored(EVENT, sequence, NOW)
        await Voice(broker, identity(service)).bury(stored, Invalid("not  usable", code=code))
    return broker


async def test_letters_are_listed_the_newest_last() -> None:
    found = await deadletters.letters(await with_letters())
    assert [(each.sequence, each.service, each.code, each.origin) for each in found] == [
        (1, "coordinator", "envelope.body", 3),
        (2, "aggregator", "weights.finite", 4),
    ]
    assert found[0].message.subject == EVENT.subject
    assert found[0].message.data == EVENT.data
    assert (found[0].reason, found[0].causation) == ("not usable", "cause")


async def test_letters_are_picked_by_service_and_code() -> None:
    broker = await with_letters()
    assert [each.sequence for each in await deadletters.letters(broker, service="aggregator")] == [2]
    for code in ("envelope.body", "envelope_body"):
        assert [each.sequence for each in await deadletters.letters(broker, code=code)] == [1]
    assert await deadletters.letters(broker, service="aggregator", code="envelope.body") == []
    with pytest.raises(Invalid):
        await deadletters.letters(broker, service="*")


async def test_one_letter() -> None:
    broker = await with_letters()
    assert (await deadletters.letter(broker, 2)).service == "aggregator"
    for sequence in (0, 3):
        with pytest.raises(NotFound):
            await deadletters.letter(broker, sequence)


async def test_a_letter_without_headers_can_be_shown() -> None:
    broker = MemoryBroker()
    await broker.log(StreamName.DEADLETTERS).append([Message("dead.edge.code.x", {"dead-sequence": "many"}, b"")])
    found = await deadletters.letter(broker, 1)
    assert (found.service, found.code, found.origin, found.message.subject) == ("edge", "", 0, "")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (msgpack.packb({"a": [1, b"\x00"]}), "{'a': [1, b'\\x00']}"),
        (b"\xc1garbage", b"\xc1garbage".hex()),
        (b"", ""),
        (msgpack.packb(1) + b"\x00", "0100"),
        (b"\x81\xa1\xff\x01", "81a1ff01"),
    ],
)
def test_payloads(data: bytes, shown: str) -> None:
    assert deadletters.payload(data) == shown


CANCEL = CancelExperiment(experiment=ExperimentId("x"), edge=PrincipalId("hospital-a"), turn=1)


def signed(command: Command) -> Message:
    subject = subjects.of(command, owner=FEDERATION, actor="coordinator")
    envelope = wrap(command, subject=subject, actor=PrincipalId("coordinator"), time=NOW)
    return sign(envelope, identity("coordinator"))


def letter(service: str, message: Message) -> deadletters.Letter:
    return deadletters.Letter(1, NOW, service, "handler.surprise", "", 7, message)


def placed(service: str, subject: str) -> topology.Consumer:
    return deadletters.place(letter(service, Message(subject, {}, b"")), ROLES)


def test_where_messages_were_handed_out() -> None:
    assert placed("hospital-a", "cmd.hospital-a.x.cycle_run.1") == topology.commands_of("hospital-a")
    assert placed("aggregator", "ev.acme.cycle.x.coordinator.closed.1") is topology.AGGREGATOR


@pytest.mark.parametrize(
    ("service", "subject"),
    [
        ("coordinator", "ev.acme.cycle.x.coordinator.closed.1"),
        ("policy_engine", EVENT.subject),
        ("audit_sink", EVENT.subject),
        ("aggregator", EVENT.subject),
        ("hospital-a", "cmd.hospital-b.x.cycle_run.1"),
        ("nobody", "cmd.nobody.x.cycle_run.1"),
    ],
)
def test_what_was_read_in_the_log_was_not_handed_out(service: str, subject: str) -> None:
    with pytest.raises(Invalid) as caught:
        placed(service, subject)
    assert caught.value.code == "deadletter.folded"


def test_a_message_that_holds_is_worth_another_try() -> None:
    message = signed(CANCEL)
    found = deadletters.usable(letter("hospital-a", message), Stored(message, 7, NOW), directory(), NOW)
    assert found.body == CANCEL


def test_a_message_that_is_gone() -> None:
    other = Stored(Message("cmd.hospital-a.other", {}, b""), 7, NOW)
    for original in (None, other):
        with pytest.raises(Invalid) as caught:
            deadletters.usable(letter("hospital-a", signed(CANCEL)), original, directory(), NOW)
        assert caught.value.code == "deadletter.gone"


def test_a_message_that_would_be_refused_again() -> None:
    message = signed(CANCEL)
    for original, who in (
        (Message(message.subject, message.headers, b"\x80"), directory()),
        (message, Directory(anchor())),
    ):
        with pytest.raises(Invalid) as caught:
            deadletters.usable(letter("hospital-a", message), Stored(original, 7, NOW), who, NOW)
        assert caught.value.code == "deadletter.hopeless"


def test_a_command_that_comes_too_late() -> None:
    order = RunCycle(
        edge=PrincipalId("hospital-a"),
        experiment=ExperimentId("x"),
        cycle=Cycle(number=1, kind=CycleKind.TRAIN),
        trial=1,
        owner="acme",
        deadline=NOW,
        framework="sklearn",
        data=TaskData(category="c", dataset=DatasetId("d"), features=("f",), target="y"),
        seed=1,
        training="{}",
        limits=Limits(memory_bytes=1, cpu_s=1, wall_s=1, disk_bytes=1, processes=1),
        code=sealed("code"),
    )
    message = signed(order)
    stored = Stored(message, 7, NOW)
    early = NOW - timedelta(seconds=1)
    assert deadletters.usable(letter("hospital-a", message), stored, directory(), early).body == order
    with pytest.raises(Invalid) as caught:
        deadletters.usable(letter("hospital-a", message), stored, directory(), NOW)
    assert caught.value.code == "deadletter.late"
