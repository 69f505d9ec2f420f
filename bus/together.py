"""Many round trips at a time, for those whose answers do not depend on each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from bus.errors import MusterError

T = TypeVar("T")
_AT_ONCE: Final = 64


async def together(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T | MusterError]:
    """What each of ``calls`` gives, or why it fails, in their order, however they come to an end."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Callable[[], Awaitable[T]]) -> T | MusterError:
        async with slots:
            try:
                return await call()
            except MusterError as error:
                return error

    return list(await asyncio.gather(*(one(call) for call in calls)))


async def all_together(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """What each of ``calls`` gives, in their order.

    Raises:
        MusterError: Of those that failed, the first in order.
    """
    results: list[T] = []
    for result in await together(calls):
        if isinstance(result, MusterError):
            raise result
        results.append(result)
    return results
