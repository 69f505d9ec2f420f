"""An edge whose disk is full: it waits and says so, uses nothing half-written, and goes on when there is room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.events import Event
from bus.events.cycles import CycleKind, Progress, UpdateFailed, UpdateSealed
from bus.runtime.listening import ignore, verified
from bus.wire.topology import StreamName
from support import people
from support.disk import SmallDisk, small_disk
from support.jobs import LOGISTIC
from support.site import Site

from .conftest import needs_mounts

pytestmark = needs_mounts

SLOW = "import time\ntime.sleep(1.5)\n" + LOGISTIC
"""Gives the disk time to fill up between the start of the worker and what it writes."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "site" / "edge") as found:
        yield found


class Heard(logging.Handler):
    """Whether something was logged that contains ``words``."""

    def __init__(self, words: str) -> None:
        super().__init__(logging.WARNING)
        self._words, self._loop = words, asyncio.get_running_loop()
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self._loop.call_soon_threadsafe(self.event.set)


@contextmanager
def listening(words: str) -> Iterator[asyncio.Event]:
    handler = Heard(words)
    logging.getLogger().addHandler(handler)
    try:
        yield handler.event
    finally:
        logging.getLogger().removeHandler(handler)


async def signals(site: Site) -> AsyncIterator[str]:
    """What the edge says that it is doing."""
    follow = verified(site.broker, people.directory(), "tel.>", reject=ignore, stream=StreamName.TELEMETRY, follow=True)
    async for record in follow:
        if isinstance(record.body, Progress):
            yield record.body.phase


def digest(answer: Event) -> str:
    assert isinstance(answer, UpdateSealed), answer
    assert answer.weights is not None
    return str(answer.weights.digest)


async def test_a_command_waits_for_room(disk: SmallDisk) -> None:
    """Full before the command comes: it is neither lost nor buried, and the owner reads which folder it is about."""
    site = await Site.made(disk.folder.parent)
    async with site.running(), asyncio.timeout(60):
        await site.order(CycleKind.STATISTICS)
        undisturbed = await site.answer()
        disk.fill()
        with listening(f"{disk.folder}") as heard:
            await site.order(CycleKind.STATISTICS, 1)
            await heard.wait()
        disk.empty()
        assert digest(await site.answer(2)) == digest(undisturbed)
    assert not [stored async for stored in site.broker.log(StreamName.DEADLETTERS).read(">")]


async def test_a_worker_that_cannot_write_is_not_blamed(disk: SmallDisk) -> None:
    """Full while the worker runs: what it wrote is thrown away, the vendor is told, and it is done again."""
    site = await Site.made(disk.folder.parent)
    async with site.running(), asyncio.timeout(60):
        code = await site.code(SLOW)
        await site.order(CycleKind.STATISTICS, code=code)
        while not list(disk.folder.glob("jobs/*/worker.log")):
            await asyncio.sleep(0.01)
        disk.fill()
        async for phase in signals(site):
            if "disk is full" in phase:
                break
        disk.empty()
        disturbed = await site.answer()
        await site.order(CycleKind.STATISTICS, 1, code=code)
        assert digest(await site.answer(2)) == digest(disturbed)


async def test_a_disk_that_stays_full_is_named_at_the_deadline(disk: SmallDisk) -> None:
    site = await Site.made(disk.folder.parent)
    soon = datetime.now(UTC) + timedelta(seconds=4)
    async with site.running(), asyncio.timeout(60):
        await site.order(CycleKind.STATISTICS, deadline=soon, code=await site.code(SLOW))
        while not list(disk.folder.glob("jobs/*/worker.log")):
            await asyncio.sleep(0.01)
        disk.fill()
        answer = await site.answer()
    assert isinstance(answer, UpdateFailed)
    assert answer.failure.code == "edge.disk"
    assert answer.retryable


async def test_a_daemon_starts_on_a_full_disk(disk: SmallDisk) -> None:
    """It does not end and start again for ever: it waits, and does what it had taken on."""
    site = await Site.made(disk.folder.parent)
    async with site.running(), asyncio.timeout(60):
        await site.order(CycleKind.STATISTICS, code=await site.code(SLOW))
        while not list(disk.folder.glob("jobs/*/worker.log")):
            await asyncio.sleep(0.01)
    disk.fill()
    with listening(f"{disk.folder}") as heard:
        async with asyncio.timeout(60), site.running():
            await heard.wait()
            disk.empty()
            assert isinstance(await site.answer(), UpdateSealed)
