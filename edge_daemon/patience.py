"""Trying again what cannot be done at present: the bus is away, or the disk is full."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from bus.errors import Unavailable

_log = logging.getLogger(__name__)

_RETRY_S: Final = (0.5, 1.0, 2.0, 5.0)
T = TypeVar("T")


async def insist(work: Callable[[], Awaitable[T]]) -> T:
    """Repeat ``work`` until it can be done."""
    delays = iter(_RETRY_S)
    while True:
        try:
            return await work()
        except Unavailable as error:
            _log.warning("not possible at present, trying again: %s", error, extra={"code": error.code})
            await asyncio.sleep(next(delays, _RETRY_S[-1]))
