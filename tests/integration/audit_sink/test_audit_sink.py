"""The audit sink on both brokers, and what its checkpoints prove."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audit_sink import service
from audit_sink.domain.verification import Verification, verify
from audit_sink.service import AuditSinkSettings
from audit_sink.store import EventStore
from bus.errors import Configuration, Conflict, Denied, Integrity, Unavailable
from bus.events import Event
from bus.events.base import Digest, ExperimentId, OwnerId
from bus.events.governance import Checkpointed, ExperimentReleased, VendorAllowed
from bus.identity.directory import Directory
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.server import EmbeddedServer
from bus.memory import MemoryBroker
from bus.ports import Broker
from bus.runtime.listening import ignore, verified
from bus.runtime.service import Context
from bus.runtime.voice import Voice
from bus.wire.message import Message, Stored
from bus.wire.topology import StreamName
from support import people

GARBAGE = Message("ev.acme.experiment.X.acme.submitted", {"ce-id": "1"}, b"garbage")


def released() -> ExperimentReleased:
    return ExperimentReleased(experiment=ExperimentId("E1"), turn=1, reasons=(), rules=Digest("sha256:0"))


@pytest.fixture(params=["memory", "jetstream"])
async def broker(request: pytest.FixtureRequest, nats_server: EmbeddedServer) -> AsyncIterator[Broker]:
    if request.param == "memory":
        yield MemoryBroker()
        return
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "tester")) as connected:
        yield connected


@asynccontextmanager
async def sink(broker: Broker, folder: Path) -> AsyncIterator[asyncio.Task[Any]]:
    """An audit sink that runs."""
    stop = asyncio.Event()
    settings = AuditSinkSettings(server_url="-", identity=folder, anchor=folder, data=folder)
    voice = Voice(broker, people.identity("audit_sink"))
    directory = Directory(people.anchor())
    context = Context(settings, broker, voice, people.anchor(), directory, stop)
    tasks = await service.build(context)
    running = asyncio.ensure_future(tasks["events"]())
    try:
        yield running
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)


async def introduce(broker: Broker) -> None:
    operator = Voice(broker, people.identity("operator"))
    for name in people.ROLES:
        if name != "operator":
            await operator.say(people.registration(name))


async def allow(broker: Broker, count: int, what: str = "r") -> None:
    operator = Voice(broker, people.identity("operator"))
    for number in range(count):
        await operator.say(VendorAllowed(vendor=OwnerId("acme"), request=f"{what}{number}"))


async def log(broker: Broker) -> list[Stored]:
    return [stored async for stored in broker.log(StreamName.EVENTS).read("ev.>")]


async def signed(broker: Broker, least: int) -> None:
    """Until a checkpoint covers so many messages."""
    async with asyncio.timeout(30):
        async for record in verified(broker, people.directory(), "ev.federation.audit.>", reject=ignore, follow=True):
            if isinstance(record.body, Checkpointed) and record.body.size >= least:
                return


async def verification(broker: Broker) -> Verification:
    return verify(await log(broker), people.anchor())


async def letters(broker: Broker) -> list[Stored]:
    return [stored async for stored in broker.log(StreamName.DEADLETTERS).read("dead.>")]


async def test_everything_becomes_a_leaf_and_is_signed_for(broker: Broker, tmp_path: Path) -> None:
    await introduce(broker)
    async with sink(broker, tmp_path):
        await allow(broker, 300)
        await signed(broker, len(people.ROLES) - 1 + 300)
    found = await verification(broker)
    assert found.newer == 0
    assert found.unproven == ()
    assert found.events == len(people.ROLES) - 1 + 300 + found.checkpoints
    assert "verified" in str(found)


async def test_a_checkpoint_comes_after_256_messages_without_a_rest(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_REST_S", 3600.0)
    await introduce(broker)
    await allow(broker, 300)
    async with sink(broker, tmp_path):
        await signed(broker, 256)


async def test_a_checkpoint_calls_for_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, there = EventStore.append, asyncio.Event()

    async def append(self: EventStore, batch: Sequence[Stored]) -> None:
        await store(self, batch)
        if ".checkpointed." in batch[-1].message.subject:
            there.set()

    monkeypatch.setattr(service, "_REST_S", 0.0)
    monkeypatch.setattr(EventStore, "append", append)
    broker = MemoryBroker()
    await introduce(broker)
    async with sink(broker, tmp_path):
        await there.wait()
        for _ in range(100):  # No thread and no clock is between the sink and another checkpoint now.
            await asyncio.sleep(0)
    assert (await verification(broker)).checkpoints == 1


async def test_it_goes_on_where_it_was(broker: Broker, tmp_path: Path) -> None:
    await introduce(broker)
    for round_ in range(3):
        await allow(broker, 5, f"{round_}-")
        async with sink(broker, tmp_path):
            await signed(broker, len(people.ROLES) - 1 + 5 * (round_ + 1))
    found = await verification(broker)
    assert found.checkpoints == 3
    async with EventStore.opened(f"sqlite+aiosqlite:///{tmp_path / 'events.sqlite'}") as store:
        assert store.size >= found.covered


async def test_a_checkpoint_that_was_due_is_signed_after_a_restart(tmp_path: Path) -> None:
    broker = MemoryBroker()
    await introduce(broker)
    async with EventStore.opened(f"sqlite+aiosqlite:///{tmp_path / 'events.sqlite'}") as store:
        await store.append(await log(broker))
    async with sink(broker, tmp_path):
        await signed(broker, len(people.ROLES) - 1)


async def test_garbage_is_a_leaf_and_a_dead_letter(broker: Broker, tmp_path: Path) -> None:
    await introduce(broker)
    await broker.log(StreamName.EVENTS).append([GARBAGE])
    async with sink(broker, tmp_path):
        await signed(broker, len(people.ROLES))
    found = await verification(broker)
    (unproven,) = found.unproven
    assert unproven.subject == GARBAGE.subject
    assert [letter.message.data for letter in await letters(broker)] == [b"garbage"]


async def test_a_restart_says_nothing_new(broker: Broker, tmp_path: Path) -> None:
    """Neither a checkpoint of checkpoints nor a dead letter for the second time."""
    await introduce(broker)
    await broker.log(StreamName.EVENTS).append([GARBAGE])
    for _ in range(2):
        async with sink(broker, tmp_path):
            await signed(broker, len(people.ROLES))
    async with sink(broker, tmp_path):
        await allow(broker, 1)
        await signed(broker, len(people.ROLES) + 2)
    assert (await verification(broker)).checkpoints == 2
    assert len(await letters(broker)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_it_ends_while_it_stores(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Around the one transaction: nothing is lost, nothing is there twice."""
    store = EventStore.append

    async def fail(self: EventStore, batch: Sequence[Stored]) -> None:
        if when == "after":
            await store(self, batch)
        raise Unavailable("the process ends here")

    await broker.log(StreamName.EVENTS).append([GARBAGE])
    await introduce(broker)
    monkeypatch.setattr(EventStore, "append", fail)
    async with sink(broker, tmp_path) as running:
        with pytest.raises(Unavailable):
            await running
    monkeypatch.undo()
    await allow(broker, 3)
    async with sink(broker, tmp_path):
        await signed(broker, len(people.ROLES) + 3)
    found = await verification(broker)
    assert found.events == len(people.ROLES) + 3 + found.checkpoints
    assert found.newer == 0
    assert len(await letters(broker)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_it_ends_while_it_signs(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    say = Voice.say

    async def fail(self: Voice, event: Event, **about: Any) -> int:
        if isinstance(event, Checkpointed):
            if when == "after":
                await say(self, event, **about)
            raise Unavailable("the process ends here")
        return await say(self, event, **about)

    await introduce(broker)
    monkeypatch.setattr(Voice, "say", fail)
    async with sink(broker, tmp_path) as running:
        with pytest.raises(Unavailable):
            await running
    monkeypatch.undo()
    async with sink(broker, tmp_path):
        await signed(broker, len(people.ROLES) - 1)
        await allow(broker, 1)
        await signed(broker, len(people.ROLES) + 1)
    assert (await verification(broker)).checkpoints == 2


async def test_a_store_that_was_lost_is_built_again_from_the_log(broker: Broker, tmp_path: Path) -> None:
    """It does not sign for beginnings again on the way."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    await introduce(broker)
    await allow(broker, 600)
    async with sink(broker, tmp_path / "old"):
        await signed(broker, len(people.ROLES) - 1 + 600)
    before = await verification(broker)
    async with sink(broker, tmp_path / "new"):
        await allow(broker, 1, "more")
        await signed(broker, before.events + 1)
    after = await verification(broker)
    assert after.checkpoints == before.checkpoints + 1
    assert after.covered == before.events + 1


async def test_a_message_is_judged_by_the_registrations_before_it(broker: Broker, tmp_path: Path) -> None:
    """Whether the sink reads it at once or much later: as every other reader of the log judges it."""
    operator = Voice(broker, people.identity("operator"))
    await operator.say(people.registration("audit_sink"))
    await Voice(broker, people.identity("policy_engine")).say(released())
    await operator.say(people.registration("policy_engine"))
    async with sink(broker, tmp_path):
        await signed(broker, 3)
    (letter,) = await letters(broker)
    (unproven,) = (await verification(broker)).unproven
    assert letter.message.headers["dead-code"] == unproven.code == "principal.unknown"


class Broken:
    """A broker that loses a reader for good."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def log(self, stream: StreamName) -> Any:
        inner = self._broker.log(stream)

        async def read(filter_: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Stored]:
            if follow:
                raise Denied("may not read any more")
            async for stored in inner.read(filter_, after=after):
                yield stored

        return SimpleNamespace(read=read, append=inner.append, get=inner.get)


async def test_it_ends_when_it_cannot_read_any_more(tmp_path: Path) -> None:
    broker = MemoryBroker()
    await introduce(broker)
    async with sink(Broken(broker), tmp_path) as running, asyncio.timeout(20):
        with pytest.raises(Denied):
            await running


async def test_two_sinks_do_not_share_a_store(tmp_path: Path) -> None:
    broker = MemoryBroker()
    await introduce(broker)
    messages = await log(broker)
    url = f"sqlite+aiosqlite:///{tmp_path / 'events.sqlite'}"
    async with EventStore.opened(url) as one, EventStore.opened(url) as other:
        await one.append(messages[:4])
        with pytest.raises(Conflict, match="another process"):
            await other.append(messages[:2])
    async with EventStore.opened(url) as again:
        assert again.frontier == one.frontier
        assert await again.last() == messages[3]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("nonsense", Configuration),
        ("sqlite:///x.sqlite", Configuration),
        ("sqlite+aiosqlite:////nowhere/at/all.sqlite", Unavailable),
    ],
)
async def test_a_store_that_cannot_be_opened(url: str, error: type[Exception]) -> None:
    before = set(threading.enumerate())
    with pytest.raises(error):
        async with EventStore.opened(url):
            pass
    # The driver's thread answers the loop once more after a connection that failed.
    for thread in set(threading.enumerate()) - before:
        if "connection_worker" in thread.name:
            await asyncio.to_thread(thread.join)


async def test_messages_without_their_tree_are_noticed(tmp_path: Path) -> None:
    broker = MemoryBroker()
    await introduce(broker)
    path = tmp_path / "events.sqlite"
    async with EventStore.opened(f"sqlite+aiosqlite:///{path}") as store:
        await store.append(await log(broker))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM nodes WHERE level = 3")
    with pytest.raises(Integrity, match="not the tree above them"):
        async with EventStore.opened(f"sqlite+aiosqlite:///{path}"):
            pass


async def test_a_log_that_is_not_the_one_before_ends_the_sink(tmp_path: Path) -> None:
    first, second = MemoryBroker(), MemoryBroker()
    await introduce(first)
    async with sink(first, tmp_path):
        await signed(first, len(people.ROLES) - 1)
    await allow(second, 3)
    async with sink(second, tmp_path) as running:
        with pytest.raises(Integrity, match="the log ends before"):
            await running
    await allow(second, 30, "more")
    async with sink(second, tmp_path) as running:
        with pytest.raises(Integrity, match="is not the one that was stored"):
            await running


async def test_a_gap_is_noticed(tmp_path: Path) -> None:
    broker = MemoryBroker()
    await introduce(broker)
    messages = await log(broker)
    async with EventStore.opened(f"sqlite+aiosqlite:///{tmp_path / 'events.sqlite'}") as store:
        await store.append(messages[:3])
        with pytest.raises(Integrity, match="message 4 is missing"):
            await store.append(messages[4:])
        assert store.size == 3


async def test_a_forged_checkpoint_is_not_believed(tmp_path: Path) -> None:
    """Said by the audit sink itself, about another tree."""
    broker = MemoryBroker()
    await introduce(broker)
    async with sink(broker, tmp_path):
        await signed(broker, len(people.ROLES) - 1)
    signatures = verified(broker, people.directory(), "ev.federation.audit.>", reject=ignore)
    (honest,) = [record.body async for record in signatures]
    assert isinstance(honest, Checkpointed)
    await allow(broker, 1)
    lie = honest.model_copy(update={"size": honest.size + 1})
    await Voice(broker, people.identity("audit_sink")).say(lie)
    with pytest.raises(Integrity, match="its note differ"):
        await verification(broker)
