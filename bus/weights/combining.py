"""Many bodies into one, in step: the updates, and what a strategy may need beside them. Holds a row at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, cast

from bus.errors import MusterError
from bus.events.weights import SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.together import together
from bus.weights import encoded, incoming
from bus.weights.headed import headed
from bus.weights.incoming import Incoming
from bus.weights.lockstep import BodyFailed, lockstep
from bus.weights.tape import state_tape

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
        previous: The last global model, if it is needed: a strategy goes on from it, its members stay, or an update is
            encoded as a difference to it.
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

    @property
    def united(self) -> bool:
        """Whether the updates have members, and so sizes of their own."""
        return bool(self.updates) and self.updates[0].members is not None


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
            raise blamed(failed, inputs) from failed
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
            tape = state_tape(await stack.enter_async_context(incoming.reading(blobs, inputs.state, identity)))
        try:
            async for row in encoded.decoded(await _rows(stack, blobs, inputs.bodies, identity), inputs.updates):
                needed = combining.offer(row)
                old = await tape.read(needed) if tape is not None else None
                yield await asyncio.to_thread(combining.combine, old)
            combining.finish()
        except BodyFailed as failed:
            raise blamed(failed, inputs) from failed
        if tape is not None:
            await tape.end()


def blamed(failed: BodyFailed, inputs: Inputs) -> MusterError:
    """What to say of a body that failed: only updates have somebody to blame."""
    return failed if failed.index < len(inputs.updates) else failed.reason


async def begun(
    stack: AsyncExitStack, blobs: Blobs, bodies: Sequence[SealedObject], identity: Identity, window: int
) -> list[Incoming]:
    """``bodies``, each with ``window`` chunks asked for ahead, until ``stack`` ends.

    Raises:
        BodyFailed: One of them cannot be read.
    """

    async def begin(body: SealedObject) -> Incoming:
        return await stack.enter_async_context(incoming.reading(blobs, body, identity, window=window))

    read: list[Incoming] = []
    for index, found in enumerate(await together(partial(begin, body) for body in bodies)):
        if isinstance(found, MusterError):
            raise BodyFailed(index, found) from found
        read.append(found)
    return read


async def _rows(
    stack: AsyncExitStack,
    blobs: Blobs,
    bodies: Sequence[SealedObject],
    identity: Identity,
) -> AsyncIterator[list[bytes]]:
    read = await begun(stack, blobs, bodies, identity, max(1, _IN_FLIGHT // len(bodies)))
    # What is encoded is held to the model's header instead.
    bodies_read = [
        plain if body.encoded is not None else checked
        for body, plain, checked in zip(bodies, read, headed(read, bodies), strict=True)
    ]
    rows = cast("AsyncGenerator[list[bytes], None]", lockstep(bodies_read, ahead=len(bodies) <= _FEW))
    return await stack.enter_async_context(aclosing(rows))
