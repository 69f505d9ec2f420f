"""Speaking and listening on the memory bus: dead letters, redelivery, settings, tasks."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest

from bus.errors import Configuration, Conflict, Invalid, MusterError, Unavailable
from bus.events.base import OwnerId
from bus.events.cycles import CancelExperiment, Cycle, CycleExpired, CycleKind
from bus.identity.directory import Directory, Principal
from bus.identity.keys import Identity
from bus.memory import MemoryBroker
from bus.ports import Guard
from bus.runtime.aio import until
from bus.runtime.listening import Work, ignore, learn_principals, verified
from bus.runtime.logs import JsonFormatter
from bus.runtime.service import run_tasks
from bus.runtime.settings import ServiceSettings
from bus.runtime.voice import Voice
from bus.wire import topology
from bus.wire.message import Message
from bus.wire.record import Record
from bus.wire.topology import StreamName
from support.people import anchor, directory, identity, registration

ACME = OwnerId("acme")
EXPIRED = CycleExpired(experiment="X", cycle=Cycle(number=1, kind=CycleKind.TRAIN))


async def dead_letters(broker: MemoryBroker) -> list[Message]:
    return [s.message async for s in broker.log(StreamName.DEADLETTERS).read("dead.>")]


async def test_what_is_said_is_heard_once() -> None:
    broker = MemoryBroker()
    voice = Voice(broker, identity("coordinator"))
    first = await voice.say(EXPIRED, owner=ACME, guard=Guard("ev.acme.*.X.coordinator.>", 0))
    again = await voice.say(EXPIRED, owner=ACME, guard=Guard("ev.acme.*.X.coordinator.>", 0))
    heard = [r async for r in verified(broker, directory(), "ev.>", reject=ignore)]
    assert first == again == 1
    assert [(r.body, r.actor, r.owner, r.sequence) for r in heard] == [(EXPIRED, "coordinator", "acme", 1)]
    with pytest.raises(Conflict):
        await voice.say(
            CycleExpired(experiment="X", cycle=Cycle(number=2, kind=CycleKind.TRAIN)),
            owner=ACME,
            guard=Guard("ev.acme.*.X.coordinator.>", 0),
        )


async def test_causation_links_messages() -> None:
    broker = MemoryBroker()
    voice = Voice(broker, identity("coordinator"))
    await voice.say(EXPIRED, owner=ACME)
    [cause] = [r async for r in verified(broker, directory(), "ev.>", reject=ignore)]
    await voice.order(CancelExperiment(edge="hospital-a", experiment="X", turn=1), cause=cause)
    [stored] = [s async for s in broker.log(StreamName.COMMANDS).read("cmd.>")]
    found = directory().verify(stored.message)
    assert (found.causation, found.correlation) == (cause.id, "X")


class Away(MemoryBroker):
    """A broker that is away for the first few appends."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def log(self, stream: StreamName):
        if self.times > 0:
            self.times -= 1
            raise Unavailable("away")
        return super().log(stream)


async def test_a_voice_repeats_until_it_is_heard() -> None:
    broker = Away(2)
    assert await Voice(broker, identity("coordinator")).say(EXPIRED, owner=ACME) == 1


async def test_an_impatient_voice_gives_up() -> None:
    with pytest.raises(Unavailable):
        await Voice(Away(100), identity("coordinator"), patience_s=0.0).say(EXPIRED, owner=ACME)


async def test_garbage_goes_to_the_dead_letters_once_and_reading_goes_on() -> None:
    broker = MemoryBroker()
    voice = Voice(broker, identity("coordinator"))
    await broker.log(StreamName.EVENTS).append([Message("ev.acme.cycle.X.coordinator.closed.9", {}, b"garbage")])
    await voice.say(EXPIRED, owner=ACME)
    for _ in range(2):
        heard = [r async for r in verified(broker, directory(), "ev.>", reject=voice.bury)]
        assert [r.body for r in heard] == [EXPIRED]
    [letter] = await dead_letters(broker)
    assert letter.subject == "dead.coordinator.envelope_attribute.1"
    assert letter.data == b"garbage"
    assert letter.headers["dead-subject"] == "ev.acme.cycle.X.coordinator.closed.9"
    assert "ce-type" in letter.headers["dead-reason"]


class Worker:
    """A handler that does as it is told."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.seen: list[Record] = []
        self.done = asyncio.Event()

    async def __call__(self, record: Record) -> None:
        self.seen.append(record)
        outcome = self.outcomes.pop(0)
        if not self.outcomes:
            self.done.set()
        if outcome is not None:
            raise outcome


COMMANDS = topology.commands_of("hospital-a")


async def worked(broker: MemoryBroker, worker: Worker) -> None:
    broker.provide(COMMANDS)
    stop = asyncio.Event()
    voice = Voice(broker, identity("hospital-a"))
    work = asyncio.create_task(Work(broker, COMMANDS, directory(), voice, worker).run(stop))
    await asyncio.wait_for(worker.done.wait(), 20)
    stop.set()
    await work


async def commanded(broker: MemoryBroker, count: int) -> None:
    voice = Voice(broker, identity("coordinator"))
    for turn in range(count):
        await voice.order(CancelExperiment(edge="hospital-a", experiment="X", turn=turn))


async def test_work_is_done_once_in_order() -> None:
    broker, worker = MemoryBroker(), Worker(None, None, None)
    await commanded(broker, 3)
    await worked(broker, worker)
    assert [r.sequence for r in worker.seen] == [1, 2, 3]
    assert await dead_letters(broker) == []


async def test_work_that_cannot_be_done_now_comes_again() -> None:
    broker, worker = MemoryBroker(), Worker(Unavailable("not yet"), None)
    await commanded(broker, 1)
    await worked(broker, worker)
    assert [r.sequence for r in worker.seen] == [1, 1]


async def test_work_that_can_never_be_done_is_buried() -> None:
    broker, worker = MemoryBroker(), Worker(Invalid("impossible", code="x.y"), None)
    await commanded(broker, 2)
    await worked(broker, worker)
    assert [r.sequence for r in worker.seen] == [1, 2]
    assert [m.subject for m in await dead_letters(broker)] == ["dead.hospital-a.x_y.1"]


async def test_surprises_are_tried_again_then_buried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    broker, worker = MemoryBroker(), Worker(RuntimeError("bug"), None)
    await commanded(broker, 1)
    await worked(broker, worker)
    assert [r.sequence for r in worker.seen] == [1, 1]


async def test_a_principal_registered_meanwhile_is_believed() -> None:
    broker, worker = MemoryBroker(), Worker(None)
    operator = Voice(broker, identity("operator"))
    broker.provide(COMMANDS)
    stop = asyncio.Event()
    known = Directory(anchor())
    voice = Voice(broker, identity("hospital-a"))
    work = asyncio.create_task(Work(broker, COMMANDS, known, voice, worker).run(stop))
    await operator.say(registration("coordinator"))
    await commanded(broker, 1)
    await asyncio.wait_for(worker.done.wait(), 20)
    stop.set()
    await work
    assert "coordinator" in known


async def test_principals_are_learnt_from_the_log() -> None:
    broker = MemoryBroker()
    operator = Voice(broker, identity("operator"))
    await operator.say(registration("acme"))
    known = await learn_principals(broker, anchor())
    assert known["acme"].signing_key == identity("acme").signing_public  # type: ignore[index]


# ---- lifecycle and settings ----


async def test_when_one_task_fails_all_end() -> None:
    stop, ended = asyncio.Event(), asyncio.Event()

    async def steady() -> None:
        await stop.wait()
        ended.set()

    async def failing() -> None:
        raise Invalid("broken")

    with pytest.raises(Invalid):
        await run_tasks({"steady": steady, "failing": failing}, stop)
    assert ended.is_set()


async def test_until_ends_and_closes() -> None:
    closed = asyncio.Event()

    async def endless():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    stop = asyncio.Event()
    seen = []
    async for item in until(stop, endless()):
        seen.append(item)
        stop.set()
    assert seen == [1]
    assert closed.is_set()


GOOD = {"server_url": "nats://x", "identity": "i", "anchor": "a", "data": "d"}


def test_settings_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(json.dumps({**GOOD, "lease_s": 5}))
    assert ServiceSettings.load(file).lease_s == 5
    monkeypatch.setenv("MUSTER_LEASE_S", "7")
    assert ServiceSettings.load(file).lease_s == 7


@pytest.mark.parametrize(
    ("content", "match"),
    [("{}", "server_url"), ("[1", "YAML"), ("- a", "YAML"), (json.dumps({**GOOD, "leese_s": 1}), "leese_s")],
)
def test_bad_settings_are_named(tmp_path: Path, content: str, match: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(content)
    with pytest.raises(Configuration, match=match):
        ServiceSettings.load(file)


def test_missing_settings_file(tmp_path: Path) -> None:
    with pytest.raises(Configuration, match="cannot be read"):
        ServiceSettings.load(tmp_path / "none.yaml")


def test_identity_and_anchor_round_trip(tmp_path: Path) -> None:
    ours = identity("acme")
    ours.save(tmp_path)
    assert (tmp_path / "identity.json").stat().st_mode & 0o777 == 0o600
    loaded = Identity.load(tmp_path)
    assert Principal.of(loaded) == Principal.of(ours)
    assert loaded.nkey_public == ours.nkey_public
    Principal.of(ours).save(tmp_path / "anchor.json")
    assert Principal.load(tmp_path / "anchor.json") == Principal.of(ours)
    assert ours.derivation.hex() not in repr(ours)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"principal": 1}'])
def test_damaged_identity(tmp_path: Path, content: str) -> None:
    (tmp_path / "identity.json").write_text(content)
    (tmp_path / "anchor.json").write_text(content)
    with pytest.raises(Configuration):
        Identity.load(tmp_path)
    with pytest.raises(Configuration):
        Principal.load(tmp_path / "anchor.json")
    with pytest.raises(Configuration, match="no identity"):
        Identity.load(tmp_path / "elsewhere")


def test_logs_are_json_with_codes() -> None:
    try:
        raise Invalid("wrong", code="a.b")
    except MusterError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "it %s", ("failed",), (type(error), error, None))
    record.edge = "hospital-a"
    line = json.loads(JsonFormatter().format(record))
    assert line["message"] == "it failed"
    assert line["edge"] == "hospital-a"
    assert line["error"] == {"code": "a.b", "message": "wrong"}
