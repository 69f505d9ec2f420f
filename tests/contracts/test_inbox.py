"""What ``bus.ports.Inbox`` promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bus.ports import Delivery
from bus.wire.message import Message
from bus.wire.topology import Consumer, StreamName
from support.rig import Rig

PATIENCE_S = 10.0


def consumer(**settings: float) -> Consumer:
    return Consumer("worker", StreamName.COMMANDS, "cmd.e1.>", **settings)  # type: ignore[arg-type]


async def order(rig: Rig, *numbers: int, edge: str = "e1") -> None:
    log = rig.broker.log(StreamName.COMMANDS)
    for number in numbers:
        await log.append([Message(f"cmd.{edge}.exp.run.{number}", {"ce-id": str(number)}, str(number).encode())])


async def take(deliveries: AsyncIterator[Delivery]) -> Delivery:
    return await asyncio.wait_for(anext(deliveries), PATIENCE_S)


def number(delivery: Delivery) -> int:
    return int(delivery.stored.message.data)


async def test_takes_what_matches_in_order(rig: Rig) -> None:
    await rig.provide(consumer())
    await order(rig, 1, 2)
    await order(rig, 9, edge="e2")
    await order(rig, 3)
    deliveries = rig.broker.inbox(consumer()).deliveries()
    taken = []
    for _ in range(3):
        delivery = await take(deliveries)
        taken.append((number(delivery), delivery.attempt, delivery.stored.message.subject))
        await delivery.ack()
    assert taken == [(n, 1, f"cmd.e1.exp.run.{n}") for n in (1, 2, 3)]
    await deliveries.aclose()


async def test_waits_for_what_comes_later(rig: Rig) -> None:
    await rig.provide(consumer())
    deliveries = rig.broker.inbox(consumer()).deliveries()
    waiting = asyncio.create_task(take(deliveries))
    await asyncio.sleep(0)
    await order(rig, 1)
    assert number(await waiting) == 1
    await deliveries.aclose()


async def test_what_is_not_settled_comes_again(rig: Rig) -> None:
    await rig.provide(consumer(ack_wait_s=0.3))
    await order(rig, 1)
    deliveries = rig.broker.inbox(consumer()).deliveries()
    await take(deliveries)
    again = await take(deliveries)
    assert (number(again), again.attempt) == (1, 2)
    await again.ack()
    await deliveries.aclose()


async def test_a_new_inbox_goes_on_where_the_old_one_stopped(rig: Rig) -> None:
    await rig.provide(consumer(ack_wait_s=0.5))
    await order(rig, 1, 2)
    first = rig.broker.inbox(consumer()).deliveries()
    await (await take(first)).ack()
    await first.aclose()
    second = rig.broker.inbox(consumer()).deliveries()
    assert number(await take(second)) == 2
    await second.aclose()


async def test_nak_delays_and_term_ends(rig: Rig) -> None:
    await rig.provide(consumer())
    await order(rig, 1, 2)
    deliveries = rig.broker.inbox(consumer()).deliveries()
    one, two = await take(deliveries), await take(deliveries)
    await one.nak(0.2)
    await two.term("no use")
    again = await take(deliveries)
    assert (number(again), again.attempt) == (1, 2)
    await again.ack()
    await order(rig, 3)
    assert number(await take(deliveries)) == 3
    await deliveries.aclose()


async def test_in_progress_holds_a_delivery(rig: Rig) -> None:
    await rig.provide(consumer(ack_wait_s=0.6))
    await order(rig, 1)
    deliveries = rig.broker.inbox(consumer()).deliveries()
    delivery = await take(deliveries)
    again = asyncio.create_task(take(deliveries))
    for _ in range(4):
        done, _ = await asyncio.wait({again}, timeout=0.3)
        assert not done
        await delivery.in_progress()
    await delivery.ack()
    await order(rig, 2)
    assert number(await again) == 2
    await deliveries.aclose()


async def test_no_more_than_allowed_under_way(rig: Rig) -> None:
    await rig.provide(consumer(max_ack_pending=2))
    await order(rig, 1, 2, 3)
    deliveries = rig.broker.inbox(consumer()).deliveries()
    one, _two = await take(deliveries), await take(deliveries)
    third = asyncio.create_task(take(deliveries))
    done, _ = await asyncio.wait({third}, timeout=0.3)
    assert not done
    await one.ack()
    assert number(await third) == 3
    await deliveries.aclose()
