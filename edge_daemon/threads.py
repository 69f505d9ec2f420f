"""Work in threads that leaves files behind: it comes to its end before anybody clears up after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
Wanted = Callable[[], bool]
"""Whether somebody still waits for what a thread does."""


async def to_its_end(work: Callable[[Wanted], T]) -> T:
    """What ``work`` gives, called in a thread. Who is cancelled meanwhile waits until the thread has noticed."""
    wanted = True
    task = asyncio.ensure_future(asyncio.to_thread(work, lambda: wanted))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        wanted = False
        with suppress(Exception):
            await task
        raise
