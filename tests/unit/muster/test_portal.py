"""A loop in a thread: results, errors, errands, interrupts, the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bus.errors import Invalid
from muster.portal import Held, Portal


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.close()


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


def test_results_and_errors_come_back(portal: Portal) -> None:
    async def fail() -> None:
        raise Invalid("no", code="sdk.closed")

    assert portal.call(double(4)) == 8
    with pytest.raises(Invalid, match="no"):
        portal.call(fail())


async def test_it_works_inside_a_running_loop(portal: Portal) -> None:
    assert portal.call(double(4)) == 8


def test_errands_are_run_where_the_caller_waits(portal: Portal) -> None:
    seen: list[tuple[int, int]] = []

    def tell(number: int) -> None:
        seen.append((number, threading.get_ident()))

    here = portal.here(tell)

    async def work() -> int:
        for number in range(3):
            here(number)
        return threading.get_ident()

    elsewhere = portal.call(work())
    assert elsewhere != threading.get_ident()
    assert seen == [(number, threading.get_ident()) for number in range(3)]


def test_an_errand_that_fails_cancels_the_work(portal: Portal) -> None:
    """So does an interrupt, which comes the same way."""
    ended = threading.Event()

    def interrupt() -> None:
        raise KeyboardInterrupt

    tell = portal.here(interrupt)

    async def work() -> None:
        tell()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        portal.call(work())
    assert ended.wait(10)
    assert portal.call(double(1)) == 2, "the portal is still of use"


def test_a_closed_portal_says_so(portal: Portal) -> None:
    portal.close()
    portal.close()
    with pytest.raises(Invalid, match="connect again"):
        portal.call(double(1))


def test_a_context_is_left_by_the_task_that_entered_it(portal: Portal) -> None:
    tasks: list[object] = []

    @asynccontextmanager
    async def context() -> AsyncIterator[str]:
        tasks.append(asyncio.current_task())
        async with asyncio.TaskGroup():
            yield "inside"
        tasks.append(asyncio.current_task())

    held = Held(portal, context())
    assert held.value == "inside"
    held.leave()
    assert tasks[0] is tasks[1]


def test_a_context_that_cannot_be_entered_says_why(portal: Portal) -> None:
    @asynccontextmanager
    async def context() -> AsyncIterator[str]:
        raise Invalid("locked", code="sdk.closed")
        yield ""

    with pytest.raises(Invalid, match="locked"):
        Held(portal, context())
