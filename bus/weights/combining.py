"""Many bodies into one, in step: the updates, and what a strategy may need beside them. Holds a row at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Final, Protocol, cast

from bus.errors import Integrity, MusterError
from bus.events.weights import SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import encoded, transfer
from bus.weights.lockstep import BodyFailed, lockstep
from bus.weights.transfer import Incoming

_IN_FLIGHT: Final = 16
"""Chunks asked for ahead, all bodies together: enough to keep the broker busy."""
_FEW: Final = 16
"""With more bodies, rows are not prepared ahead: a row is long enough as it is, and memory grows by two chunks per body
whatever the model's size."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes in.

    Attributes:
        updates: In the order of the closing.
        previous: The last global model, if the strategy needs it or an update is encoded, as a difference to it.
        state: What was kept after the last cycle, if anything.
    """

    updates: Sequence[SealedObject]
    previous: SealedObject | None = None
    state: SealedObject | None = None

    @property
    def encoded(self) -> bool:
        """Whether an update is encoded."""
        return any(update.encoded is not None for update in self.updates)

    @property
    def bodies(self) -> list[SealedObject]:
        """What is read in rows: the updates, then the last global model."""
        return [*self.updates, *([self.previous] if self.previous is not None else [])]


@dataclass(frozen=True, slots=True)
class Produced:
    """What came of a row.

    Attributes:
        chunks: Of the combined body; none while the header is incomplete.
        state: The next bytes of the state.
    """

    chunks: Sequence[bytes]
    state: bytes = b""


class Surveying(Protocol):
    """A first look at rows."""

    def take(self, row: Sequence[bytes]) -> None:
        """See the next row."""
        ...

    def choose(self) -> tuple[int, ...]:
        """Indices of the updates that count, once all rows were seen."""
        ...


class Combining(Protocol):
    """Combines rows."""

    def offer(self, row: Sequence[bytes]) -> int:
        """Take the next row; how many bytes of the old state the next ``combine`` needs."""
        ...

    def combine(self, state: bytes | None) -> Produced:
        """Combine what was offered, with those bytes, or without an old state."""
        ...

    def finish(self) -> None:
        """Check that this was all."""
        ...


async def surveyed(blobs: Blobs, identity: Identity, inputs: Inputs, surveying: Surveying) -> tuple[int, ...]:
    """Read the updates once, and choose among them.

    Raises:
        BodyFailed: One of the updates cannot be used.
        MusterError: The last model cannot.
        Unavailable: The store is away; begin again.
    """
    bodies = inputs.bodies if inputs.encoded else inputs.updates
    async with AsyncExitStack() as stack:
        try:
            async for row in encoded.decoded(await _rows(stack, blobs, bodies, identity), inputs.updates):
                await asyncio.to_thread(surveying.take, row)
        except BodyFailed as failed:
            raise _blamed(failed, inputs) from failed
    return surveying.choose()


async def combined(
    blobs: Blobs, identity: Identity, inputs: Inputs, combining: Combining
) -> AsyncGenerator[Produced, None]:
    """Read everything in step, and combine it row by row. What was produced is to be believed only at the end.

    Raises:
        BodyFailed: One of the updates cannot be used.
        MusterError: The last model or the state cannot.
        Unavailable: The store is away; begin again.
    """
    async with AsyncExitStack() as stack:
        tape = None
        if inputs.state is not None:
            tape = _Tape(await stack.enter_async_context(transfer.incoming(blobs, inputs.state, identity)))
        try:
            async for row in encoded.decoded(await _rows(stack, blobs, inputs.bodies, identity), inputs.updates):
                needed = combining.offer(row)
                old = await tape.read(needed) if tape is not None else None
                yield await asyncio.to_thread(combining.combine, old)
            combining.finish()
        except BodyFailed as failed:
            raise _blamed(failed, inputs) from failed
        if tape is not None:
            await tape.end()


def _blamed(failed: BodyFailed, inputs: Inputs) -> MusterError:
    """What to say of a body that failed: only updates have somebody to blame."""
    return failed if failed.index < len(inputs.updates) else failed.reason


async def _rows(
    stack: AsyncExitStack, blobs: Blobs, bodies: Sequence[SealedObject], identity: Identity
) -> AsyncIterator[list[bytes]]:
    window = max(1, _IN_FLIGHT // len(bodies))
    opened: list[Incoming] = []
    for index, body in enumerate(bodies):
        try:
            incoming = await stack.enter_async_context(transfer.incoming(blobs, body, identity, window=window))
        except MusterError as error:
            raise BodyFailed(index, error) from error
        opened.append(incoming)
    rows = cast("AsyncGenerator[list[bytes], None]", lockstep(opened, ahead=len(bodies) <= _FEW))
    return await stack.enter_async_context(aclosing(rows))


class _Tape:
    """A body, read in pieces of any size."""

    def __init__(self, body: Incoming) -> None:
        self._body = body
        self._buffer = bytearray()

    async def read(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            Integrity: It ends before.
        """
        while len(self._buffer) < size:
            if not await self._more():
                raise Integrity("the strategy's state ends too early", code="strategy.state")
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    async def end(self) -> None:
        """Check that nothing is left.

        Raises:
            Integrity: There is, or it is not what its digest says.
        """
        if self._buffer or await self._more():
            raise Integrity("the strategy's state is longer than this model's", code="strategy.state")
        self._body.check()

    async def _more(self) -> bool:
        """Whether there was another chunk."""
        taken = await self._body.take()
        for data in taken:
            self._buffer += await asyncio.to_thread(self._body.open, data)
        return bool(taken)
