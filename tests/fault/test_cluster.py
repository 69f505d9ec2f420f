"""Three servers that replicate the log: one, or two, of them may be killed at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from bus.errors import Conflict, Unavailable
from bus.events.cycles import UpdateSealed
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.provision import provide_consumer
from bus.ports import Guard
from bus.wire.message import Message
from bus.wire.record import Record
from bus.wire.topology import Consumer, StreamName
from muster.telling.follow import View
from support.cluster import ClusterTown, caught_up, federation_on_cluster, leader, replicated
from support.federation import PLAN

T = TypeVar("T")
WORKER = Consumer("worker", StreamName.COMMANDS, "cmd.e1.>", ack_wait_s=2.0)
RACE = "ev.a.*.race.r.>"


def said(subject: str, words: str = "") -> Message:
    return Message(subject, {"ce-id": subject}, words.encode())


async def insist(act: Callable[[], Awaitable[T]]) -> T:
    """What services do when the broker is away: the same again."""
    while True:
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(0.1)


@dataclass
class Crowd:
    """Clients with connections of their own; everything they were promised is written down."""

    stack: AsyncExitStack
    url: str
    events: dict[str, int] = field(default_factory=dict)
    """Subject -> sequence, of acknowledged appends."""
    conflicts: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    followed: list[tuple[int, str]] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def join(self) -> JetStreamBroker:
        return await self.stack.enter_async_context(JetStreamBroker.connect(Endpoint(self.url, "tester")))

    async def speak(self, name: str) -> None:
        """Writes a strand of its own, each append after the one before it."""
        broker = await self.join()
        last = number = 0
        while not self.enough.is_set():
            number += 1
            message = said(f"ev.a.x.{name}.{name}.{number}", f"after {last}")
            guard = Guard(f"ev.a.*.{name}.{name}.>", last)
            last = await insist(lambda m=message, g=guard: broker.log(StreamName.EVENTS).append([m], guard=g))
            self.events[message.subject] = last

    async def compete(self, name: str) -> None:
        """Writes a strand on which others write too: who comes second has to look again."""
        broker = await self.join()
        log = broker.log(StreamName.EVENTS)
        last = number = 0
        while not self.enough.is_set():
            number += 1
            message, guard = said(f"ev.a.x.race.r.{name}-{number}", f"after {last}"), Guard(RACE, last)
            try:
                last = await insist(lambda m=message, g=guard: log.append([m], guard=g))
            except Conflict:
                self.conflicts += 1
                last = await insist(lambda: newest(broker, RACE))
            else:
                self.events[message.subject] = last

    async def upload(self) -> None:
        broker = await self.join()
        while not self.enough.is_set():
            subject, data = f"w.a.e1.exp.update.c.{len(self.blobs)}", bytes([len(self.blobs) % 256]) * 20_000
            await insist(lambda s=subject, d=data: broker.blobs().put(s, d))
            self.blobs[subject] = data

    async def order(self) -> None:
        broker = await self.join()
        while not self.enough.is_set():
            message = said(f"cmd.e1.exp.run.{len(self.commands)}")
            await insist(lambda m=message: broker.log(StreamName.COMMANDS).append([m]))
            self.commands.append(message.subject)

    async def work(self) -> None:
        broker = await self.join()
        async for delivery in broker.inbox(WORKER).deliveries():
            self.taken.append(delivery.stored.message.subject)
            try:
                await delivery.ack()
            except Unavailable:
                continue

    async def follow(self) -> None:
        broker = await self.join()
        async for stored in broker.log(StreamName.EVENTS).read("ev.>", follow=True):
            self.followed.append((stored.sequence, stored.message.subject))


async def newest(broker: JetStreamBroker, filter_: str) -> int:
    sequences = [stored.sequence async for stored in broker.log(StreamName.EVENTS).read(filter_)]
    return sequences[-1] if sequences else 0


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


@pytest.mark.timeout(120)
async def test_the_leader_is_killed_while_many_write(tmp_path: Path) -> None:
    async with replicated(tmp_path) as (cluster, broker), AsyncExitStack() as stack:
        await provide_consumer(broker.control, WORKER)
        crowd = Crowd(stack, cluster.url)
        writers = [crowd.speak("ann"), crowd.speak("bob"), crowd.compete("one"), crowd.compete("two")]
        writing = [asyncio.create_task(write) for write in (*writers, crowd.upload(), crowd.order())]
        reading = [asyncio.create_task(read) for read in (crowd.work(), crowd.follow())]
        await until(lambda: len(crowd.events) > 200, "appends before the fault")
        first = await leader(broker.control)
        await cluster.kill(first)
        before = len(crowd.events)
        second = await leader(broker.control, other_than=first)
        await until(lambda: len(crowd.events) > before + 200, "appends with another leader")
        await cluster.start(first)
        before = len(crowd.events)
        await until(lambda: len(crowd.events) > before + 200, "appends with all servers")
        uploaded, ordered = len(crowd.blobs), len(crowd.commands)
        await until(lambda: len(crowd.blobs) > uploaded and len(crowd.commands) > ordered, "uploads and commands")
        crowd.enough.set()
        await asyncio.gather(*writing)
        await until(lambda: len(crowd.followed) >= len(crowd.events), "the follower")
        await until(lambda: set(crowd.taken) >= set(crowd.commands), "the worker")
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        assert second != first
        assert crowd.conflicts > 0
        await caught_up(broker.control)
        await _check(crowd, broker)


async def _check(crowd: Crowd, broker: JetStreamBroker) -> None:
    stored = [s async for s in broker.log(StreamName.EVENTS).read("ev.>")]
    places = [(s.sequence, s.message.subject) for s in stored]
    # Acknowledged is stored, stored is acknowledged, each once, and the follower saw just that.
    assert {subject: sequence for sequence, subject in places} == crowd.events
    assert [sequence for sequence, _ in places] == list(range(1, len(places) + 1))
    assert crowd.followed == places
    last: dict[str, int] = {}
    for message in stored:
        strand = ".".join(message.message.subject.split(".")[:5])
        assert message.message.data.decode() == f"after {last.get(strand, 0)}", message.message.subject
        last[strand] = message.sequence
    for subject, data in crowd.blobs.items():
        assert await broker.blobs().get(subject) == data
    assert sorted(set(crowd.taken)) == sorted(crowd.commands)


@pytest.mark.timeout(120)
async def test_without_a_majority_everything_waits(tmp_path: Path) -> None:
    async with replicated(tmp_path) as (cluster, broker):
        await provide_consumer(broker.control, WORKER)
        log = broker.log(StreamName.EVENTS)
        await log.append([said("ev.a.x.1.me.one")])
        seen: asyncio.Queue[str] = asyncio.Queue()

        async def watch() -> None:
            async for stored in log.read("ev.>", follow=True):
                seen.put_nowait(stored.message.subject)

        watching = asyncio.create_task(watch())
        deliveries = broker.inbox(WORKER).deliveries()
        working = asyncio.create_task(anext(deliveries))
        assert await asyncio.wait_for(seen.get(), 10) == "ev.a.x.1.me.one"
        first = await leader(broker.control)
        others = [name for name in cluster.servers if name != first]
        await cluster.kill(first, others[0])
        with pytest.raises(Unavailable):
            await log.append([said("ev.a.x.1.me.two")])
        with pytest.raises(Unavailable):
            async with asyncio.timeout(20):
                _ = [s async for s in log.read("ev.>")]
        saying = asyncio.create_task(insist(lambda: log.append([said("ev.a.x.1.me.two")])))
        ordering = asyncio.create_task(
            insist(lambda: broker.log(StreamName.COMMANDS).append([said("cmd.e1.exp.run.1")]))
        )
        with pytest.raises(Unavailable):
            await log.append([said("ev.a.x.1.me.two")])
        assert not saying.done()
        assert not ordering.done()
        await cluster.start(first, others[0])
        assert await asyncio.wait_for(saying, 30) == 2
        await asyncio.wait_for(ordering, 30)
        assert await asyncio.wait_for(seen.get(), 30) == "ev.a.x.1.me.two"
        delivery = await asyncio.wait_for(working, 30)
        assert delivery.stored.message.subject == "cmd.e1.exp.run.1"
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await deliveries.aclose()
        assert seen.empty()


@pytest.mark.timeout(240)
async def test_a_federation_outlives_the_leader(tmp_path: Path) -> None:
    async with federation_on_cluster(tmp_path) as town:
        town.plan.write_text(PLAN.replace("cycles: 2", "cycles: 1"))
        undisturbed = await town.run()
        fault: list[asyncio.Task[None]] = []
        disturbed = await town.run(_once_trained(lambda: fault.append(asyncio.create_task(_lose_the_leader(town)))))
        await asyncio.gather(*fault)
        assert fault
        assert disturbed == undisturbed
        assert not town.ended()


def _once_trained(act: Callable[[], None]) -> Callable[[View, Record | None], None]:
    """Acts once, at the first update of training cycle 1."""
    acted = []

    def tell(_: View, record: Record | None) -> None:
        if acted or record is None or not isinstance(record.body, UpdateSealed):
            return
        if record.body.cycle.number == 1 and record.body.cycle.kind == "train":
            acted.append(record)
            act()

    return tell


async def _lose_the_leader(town: ClusterTown) -> None:
    """Kill the server that leads the log; start it again once another one leads."""
    first = await leader(town.operator.control)
    await town.cluster.kill(first)
    await leader(town.operator.control, other_than=first)
    await town.cluster.start(first)
