"""Many round trips at a time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bus.errors import Invalid, NotFound
from bus.together import all_together, together


async def test_answers_come_in_the_order_of_the_questions() -> None:
    async def answer(number: int) -> int:
        await asyncio.sleep((5 - number) / 1000)
        return number

    assert await together(partial(answer, number) for number in range(5)) == [0, 1, 2, 3, 4]


async def test_of_those_that_fail_the_first_in_order_is_told_whichever_failed_first() -> None:
    late = asyncio.Event()

    async def slow() -> None:
        await late.wait()
        raise NotFound("the first in order", code="blob.missing")

    async def fast() -> None:
        late.set()
        raise Invalid("the first in time", code="plan.field")

    with pytest.raises(NotFound, match="the first in order"):
        await all_together([slow, fast])


async def test_all_come_to_an_end_though_one_failed() -> None:
    ended = []

    async def fail() -> None:
        raise Invalid("no", code="plan.field")

    async def go_on() -> None:
        await asyncio.sleep(0.001)
        ended.append(1)

    found = await together([fail, go_on])
    assert isinstance(found[0], Invalid)
    assert ended == [1]


async def test_a_thousand_questions_are_not_asked_at_once() -> None:
    under_way, most = 0, 0

    async def ask() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await all_together(ask for _ in range(1000))
    assert 1 < most <= 64
