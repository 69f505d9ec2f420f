"""An event loop in which time jumps and chance decides who goes first; the same seed gives the same run."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(Exception):
    """Nothing is left that could ever happen."""


class _Jump(selectors.SelectSelector):
    """Where a real loop would sleep, time jumps to what is next."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self.loop.jump(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module.

    Args:
        chance: Orders what is ready at the same time.
    """

    def __init__(self, chance: random.Random) -> None:
        selector = _Jump()
        selector.loop = self
        self._now = 0.0
        self._chance = chance
        super().__init__(selector)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._now += max(0.0, seconds)

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run at once: a thread would bring real time in."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the caller gets it
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1:
            items = list(ready)
            self._chance.shuffle(items)
            ready.clear()
            ready.extend(items)
        super()._run_once()  # type: ignore[misc]


def run(main: Coroutine[Any, Any, T], chance: random.Random) -> T:
    """Run ``main`` in virtual time."""
    loop = VirtualLoop(chance)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()
