"""Work in threads that leaves files behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_daemon.threads import to_its_end


async def test_who_is_cancelled_waits_until_the_thread_has_noticed(tmp_path: Path) -> None:
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    patience = threading.Event()

    def work(wanted: Callable[[], bool]) -> None:
        loop.call_soon_threadsafe(begun.set)
        while wanted():
            patience.wait(0.001)
        (tmp_path / "last").touch()

    task = asyncio.create_task(to_its_end(work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "last").exists(), "nothing is written after the caller went on"


async def test_what_it_gives_and_how_it_fails_come_through() -> None:
    assert await to_its_end(lambda wanted: wanted()) is True

    def fail(_wanted: Callable[[], bool]) -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        await to_its_end(fail)
