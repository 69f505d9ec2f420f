"""The audit sink on both brokers, and what its checkpoints prove."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from audit_sink import service
from audit_sink.domain.verification import Verification, Verifier
from audit_sink.service import AuditSinkSettings
from audit_sink.store import EventStore
from bus.errors import Integrity
from bus.events.base import OwnerId
from bus.events.governance import Checkpointed, VendorAllowed
from bus.identity.directory import Directory
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.server import EmbeddedServer
from bus.memory import MemoryBroker
from bus.ports import Broker
from bus.runtime.clock import SystemClock
from bus.runtime.listening import ignore, verified
from bus.runtime.service import Context
from bus.runtime.voice import Voice
from bus.wire.message import Message, Stored
from bus.wire.topology import StreamName
from support import people


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
    context = Context(settings, broker, voice, people.anchor(), directory, SystemClock(), stop)
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


def verification(messages: list[Stored]) -> Verification:
    verifier = Verifier(people.anchor())
    for stored in messages:
        verifier.add(stored)
    return verifier.result()


async def test_everything_becomes_a_leaf_and_is_signed_for(broker: Broker, tmp_path: Path) -> None:
    await introduce(broker)
    async with sink(broker, tmp_path):
        await allow(broker, 300)
        await signed(broker, len(people.ROLES) - 1 + 300)
    found = verification(await log(broker))
    assert found.newer == 0
    assert found.unproven == ()
    assert found.events == len(people.ROLES) - 1 + 300 + found.checkpoints
    assert "verified" in str(found)


async def test_it_goes_on_where_it_was(broker: Broker, tmp_path: Path) -> None:
    await introduce(broker)
    for round_ in range(3):
        await allow(broker, 5, f"{round_}-")
        async with sink(broker, tmp_path):
            await signed(broker, len(people.ROLES) - 1 + 5 * (round_ + 1))
    found = verification(await log(broker))
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
    garbage = Message("ev.acme.experiment.X.acme.submitted", {"ce-id": "1"}, b"garbage")
    await broker.log(StreamName.EVENTS).append([garbage])
    async with sink(broker, tmp_path):
        await signed(broker, len(people.ROLES))
    found = verification(await log(broker))
    (unproven,) = found.unproven
    assert unproven.subject == garbage.subject
    letters = [stored async for stored in broker.log(StreamName.DEADLETTERS).read("dead.>")]
    assert [letter.message.data for letter in letters] == [b"garbage"]


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


def _changed(stored: Stored, **changes: Any) -> Stored:
    return dataclasses.replace(stored, message=dataclasses.replace(stored.message, **changes))


TAMPERINGS: dict[str, Callable[[list[Stored]], list[Stored]]] = {
    "data": lambda log: [*log[:4], _changed(log[4], data=log[4].message.data + b"\x00"), *log[5:]],
    "header": lambda log: [*log[:4], _changed(log[4], headers={**log[4].message.headers, "ce-time": "x"}), *log[5:]],
    "subject": lambda log: [*log[:4], _changed(log[4], subject="ev.other"), *log[5:]],
    "dropped": lambda log: [*log[:4], *log[5:]],
    "dropped and renumbered": lambda log: [
        *log[:4],
        *(dataclasses.replace(stored, sequence=stored.sequence - 1) for stored in log[5:]),
    ],
    "swapped": lambda log: [*log[:4], log[5], log[4], *log[6:]],
    "swapped and renumbered": lambda log: [
        *log[:4],
        dataclasses.replace(log[5], sequence=5),
        dataclasses.replace(log[4], sequence=6),
        *log[6:],
    ],
    "cut before any checkpoint": lambda log: log[:6],
}


@pytest.mark.parametrize("how", TAMPERINGS)
async def test_tampering_is_found(tmp_path: Path, how: str) -> None:
    broker = MemoryBroker()
    await introduce(broker)
    async with sink(broker, tmp_path):
        await signed(broker, len(people.ROLES) - 1)
    messages = await log(broker)
    assert verification(messages).checkpoints == 1
    with pytest.raises(Integrity):
        verification(TAMPERINGS[how](messages))


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
        verification(await log(broker))
