"""An event loop in a thread of its own, for callers that have none or must not block on their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

from bus.errors import Invalid

T = TypeVar("T")
P = ParamSpec("P")
_Errands = SimpleQueue[Callable[[], None] | None]


class Portal:
    """Runs coroutines on its loop while the caller waits; ends with ``close``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # A daemon: a script that ends without closing must end all the same.
        self._thread = threading.Thread(target=self._loop.run_forever, name="muster", daemon=True)
        self._thread.start()
        self._errands: dict[int, _Errands] = {}

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns; an interrupt of the caller cancels it.

        Raises:
            Invalid: The portal is closed.
        """
        if self._loop.is_closed():
            work.close()
            raise Invalid("this connection is closed: connect again", code="sdk.closed")
        mine: _Errands = SimpleQueue()
        self._errands[threading.get_ident()] = mine
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.add_done_callback(lambda _: mine.put(None))
        try:
            while (errand := mine.get()) is not None:
                errand()
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._errands.pop(threading.get_ident(), None)

    def here(self, tell: Callable[P, None]) -> Callable[P, None]:
        """``tell``, to be called on the loop, and run by the caller of the next ``call`` while it waits.

        What a notebook shows belongs to the cell whose thread shows it.
        """
        caller = threading.get_ident()

        def errand(*args: P.args, **kwargs: P.kwargs) -> None:
            if (waiting := self._errands.get(caller)) is not None:
                waiting.put(lambda: tell(*args, **kwargs))

        return errand

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the loop and its thread. Closing again is harmless."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """What ``asyncio.run`` does at its end."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        # An interpreter that ends starts no thread any more, and this would need one.
        with suppress(RuntimeError):
            await self._loop.shutdown_default_executor()


class Held(Generic[T]):
    """An asynchronous context that is entered now and left later, both by the same task.

    Args:
        portal: Where it lives.
        context: What is entered.

    Raises:
        MusterError: What entering it raises.
    """

    def __init__(self, portal: Portal, context: AbstractAsyncContextManager[T]) -> None:
        self._portal = portal
        self.value = portal.call(self._enter(context))

    async def _enter(self, context: AbstractAsyncContextManager[T]) -> T:
        entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._task = asyncio.create_task(self._hold(context, entered))
        waited: set[asyncio.Future[Any]] = {self._task, entered}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not entered.done():
            await self._task
        return entered.result()

    async def _hold(self, context: AbstractAsyncContextManager[T], entered: asyncio.Future[T]) -> None:
        async with context as value:
            entered.set_result(value)
            await self._leave.wait()

    async def _left(self) -> None:
        self._leave.set()
        await self._task

    def leave(self) -> None:
        """Leave it. Raises what leaving it raises."""
        self._portal.call(self._left())
