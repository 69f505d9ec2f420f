"""What ``bus.ports.Log`` promises."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bus.errors import Conflict, Invalid
from bus.ports import Guard
from bus.wire.message import Message
from bus.wire.topology import StreamName
from support.rig import Rig


def said(subject: str, words: str = "", identity: str | None = None) -> Message:
    return Message(subject, {"ce-id": identity or subject, "ce-type": "t"}, words.encode())


async def test_append_keeps_order_headers_and_body(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    first = await log.append([said("ev.a.x.1.me.one", "hello")])
    last = await log.append([said("ev.a.x.1.me.two"), said("ev.a.x.1.me.three")])
    found = [stored async for stored in log.read("ev.>")]
    assert (first, last) == (1, 3)
    assert [s.sequence for s in found] == [1, 2, 3]
    assert found[0].message == said("ev.a.x.1.me.one", "hello")
    assert found[0].stored_at.tzinfo is not None


async def test_its_time_is_that_of_its_messages(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    await log.append([said("ev.a.x.1.me.one")])
    (stored,) = [s async for s in log.read("ev.>")]
    assert abs(rig.broker.now() - stored.stored_at) < timedelta(seconds=30)


async def test_saying_the_same_again_is_harmless(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    message = said("ev.a.x.1.me.one", "hello")
    later = Message(message.subject, {**message.headers, "ce-time": "later"}, message.data)
    assert await log.append([message]) == await log.append([message]) == await log.append([later])
    assert len([s async for s in log.read("ev.>")]) == 1


async def test_saying_the_same_again_beside_a_guard_that_moved_on(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    guard = Guard("ev.a.*.1.me.>", 0)
    message = said("ev.a.x.1.me.one")
    assert await log.append([message], guard=guard) == 1
    await log.append([said("ev.a.x.1.me.two")], guard=Guard("ev.a.*.1.me.>", 1))
    assert await log.append([message], guard=guard) == 1


@pytest.mark.parametrize("other", [said("ev.a.x.1.me.one", "bye"), said("ev.a.x.1.me.one", "hello", "another id")])
async def test_saying_something_else_on_a_written_subject_is_a_conflict(rig: Rig, other: Message) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    await log.append([said("ev.a.x.1.me.one", "hello")])
    with pytest.raises(Conflict):
        await log.append([other])


async def test_guard_lets_one_of_two_writers_through(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    guard = Guard("ev.a.*.1.me.>", 0)
    outcomes = await asyncio.gather(
        log.append([said("ev.a.x.1.me.one")], guard=guard),
        log.append([said("ev.a.y.1.me.other")], guard=guard),
        return_exceptions=True,
    )
    assert sorted(type(o).__name__ for o in outcomes) == ["Conflict", "int"]


async def test_guard_does_not_mind_other_actors_and_other_ids(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    await log.append([said("ev.a.x.1.you.one"), said("ev.a.x.2.me.one")])
    assert await log.append([said("ev.a.x.1.me.one")], guard=Guard("ev.a.*.1.me.>", 0)) == 3


async def test_batch_is_all_or_nothing(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    await log.append([said("ev.a.x.1.me.taken", "by another")])
    with pytest.raises(Conflict):
        await log.append([said("ev.a.x.1.me.new"), said("ev.a.x.1.me.taken", "mine")])
    assert [s.message.subject async for s in log.read("ev.>")] == ["ev.a.x.1.me.taken"]


async def test_batch_repeated_is_harmless(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    batch = [said("ev.a.x.1.me.one"), said("ev.a.x.1.me.two")]
    assert await log.append(batch, guard=Guard("ev.a.*.1.me.>", 0)) == 2
    assert await log.append(batch, guard=Guard("ev.a.*.1.me.>", 0)) == 2


async def test_too_large_is_refused_and_the_log_goes_on(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    with pytest.raises(Invalid, match="too large"):
        await log.append([said("ev.a.x.1.me.one", "x" * (1024 * 1024 + 1))])
    assert await log.append([said("ev.a.x.1.me.one", "small")]) == 1


async def test_read_filters_and_starts_after_a_position(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    for number in range(1, 6):
        await log.append([said(f"ev.a.{'x' if number % 2 else 'y'}.{number}.me.one")])
    assert [s.sequence async for s in log.read("ev.a.x.>", after=1)] == [3, 5]
    assert [s.sequence async for s in log.read("ev.a.*.2.me.one")] == [2]
    assert [s.sequence async for s in log.read("ev.b.>")] == []


async def test_follow_sees_history_and_what_comes(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    await log.append([said("ev.a.x.1.me.one")])
    seen: asyncio.Queue[int] = asyncio.Queue()

    async def watch() -> None:
        async for stored in log.read("ev.a.>", follow=True):
            await seen.put(stored.sequence)

    watching = asyncio.create_task(watch())
    assert await seen.get() == 1
    await log.append([said("ev.a.x.1.me.two")])
    assert await seen.get() == 2
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_several_readers_at_once_each_see_everything(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    for number in range(20):
        await log.append([said(f"ev.a.x.{number}.me.one")])

    async def count() -> int:
        return len([s async for s in log.read("ev.>")])

    assert await asyncio.gather(*(count() for _ in range(4))) == [20, 20, 20, 20]


async def test_get_finds_exactly_one_subject(rig: Rig) -> None:
    log = rig.broker.log(StreamName.EVENTS)
    await log.append([said("ev.a.x.1.me.one", "hello")])
    found = await log.get("ev.a.x.1.me.one")
    assert found is not None
    assert (found.sequence, found.message) == (1, said("ev.a.x.1.me.one", "hello"))
    assert await log.get("ev.a.x.1.me.two") is None


async def test_leases_keep_the_last_word_only(rig: Rig) -> None:
    log = rig.broker.log(StreamName.LEASES)
    await log.append([said("lease.e1", "1")])
    await log.append([said("lease.e2", "2")])
    await log.append([said("lease.e1", "3")])
    assert [s.message.data async for s in log.read("lease.>")] == [b"2", b"3"]
    assert await log.append([said("lease.e1", "4")], guard=Guard("lease.e1", 3)) == 4
    with pytest.raises(Conflict):
        await log.append([said("lease.e1", "5")], guard=Guard("lease.e1", 3))
