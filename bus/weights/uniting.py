"""Many bodies into one that have members, and so are not of one size: read in the steps that the outcome is made in.

The order of tensors is the same in all of them, so every body is read forward once. What is held is one step's bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from bus.errors import Integrity, MusterError
from bus.events.weights import SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import combining, incoming
from bus.weights.combining import Combining, Inputs, Produced, Surveying
from bus.weights.layout import Layout, Tensor
from bus.weights.lockstep import Body, BodyFailed
from bus.weights.members import told
from bus.weights.tape import Tape, state_tape

_IN_FLIGHT: Final = 16
"""Chunks asked for ahead, all bodies together."""
_LEAST_WINDOW: Final = 2
"""Of each body: while members are copied, only one of the bodies moves."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to read next.

    Attributes:
        tensor: Of the outcome; ``None`` for what is written before all tensors.
        whose: Index of the body whose members these are; ``None`` if the same elements of all bodies are read.
        sizes: Bytes of each body: the updates, then the last global model.
        state_bytes: Bytes of the old state, if there is one.
    """

    tensor: Tensor | None
    whose: int | None
    sizes: tuple[int, ...]
    state_bytes: int = 0


@runtime_checkable
class Uniting(Protocol):
    """Works on bodies with members, step by step."""

    def admit(self, layout: Layout) -> None:
        """Take the layout of the next body: the updates', in order, then the last global model's.

        Raises:
            MusterError: It cannot be used with the others.
        """
        ...

    def steps(self) -> Iterator[Step]:
        """What to read, once all layouts are known.

        Raises:
            Invalid: The outcome cannot be.
        """
        ...

    def unite(self, step: Step, read: Sequence[bytes], state: bytes | None) -> Produced:
        """Work on what was read for ``step``."""
        ...

    def finish(self) -> None:
        """Check that this was all."""
        ...


class UnitingSurvey(Uniting, Protocol):
    """A first look at bodies with members."""

    def choose(self) -> tuple[int, ...]:
        """Indices of the updates that count, once all steps were made."""
        ...


async def surveyed(
    blobs: Blobs, identity: Identity, inputs: Inputs, surveying: Surveying | UnitingSurvey | None
) -> tuple[int, ...] | None:
    """Read the updates once, whatever they are, and choose among them; ``None`` if nobody looks at them.

    Raises:
        BodyFailed: One of the updates cannot be used.
        Unavailable: The store is away; begin again.
    """
    if surveying is None:
        return None
    if not isinstance(surveying, Uniting):
        return await combining.surveyed(blobs, identity, inputs, surveying)
    async for _ in _united(blobs, identity, Inputs(inputs.updates), surveying):
        pass
    return surveying.choose()


async def combined(
    blobs: Blobs, identity: Identity, inputs: Inputs, combiner: Combining | Uniting
) -> AsyncGenerator[Produced, None]:
    """Read everything, whatever it is, and combine it. What was produced is to be believed only at the end.

    Raises:
        BodyFailed: One of the updates cannot be used.
        MusterError: The last model or the state cannot.
        Unavailable: The store is away; begin again.
    """
    if isinstance(combiner, Uniting):
        stream = _united(blobs, identity, inputs, combiner)
    else:
        stream = combining.combined(blobs, identity, inputs, combiner)
    async with aclosing(stream):
        async for made in stream:
            yield made


async def _united(blobs: Blobs, identity: Identity, inputs: Inputs, uniting: Uniting) -> AsyncGenerator[Produced, None]:
    window = max(_LEAST_WINDOW, _IN_FLIGHT // len(inputs.bodies))
    async with AsyncExitStack() as stack:
        try:
            bodies = await combining.begun(stack, blobs, inputs.bodies, identity, window)
        except BodyFailed as failed:
            raise combining.blamed(failed, inputs) from failed
        state = None
        if inputs.state is not None:
            state = await stack.enter_async_context(incoming.reading(blobs, inputs.state, identity))
        async for made in stepped(inputs, bodies, state, uniting):
            yield made


async def stepped(
    inputs: Inputs, bodies: Sequence[Body], state: Body | None, uniting: Uniting
) -> AsyncGenerator[Produced, None]:
    """Read what ``uniting`` asks for, in pieces of any size.

    Args:
        inputs: What is said of the bodies.
        bodies: In their order.
        state: What was kept after the last cycle, if anything.
        uniting: Works on it.

    Raises:
        BodyFailed: One of the updates cannot be used.
        MusterError: The last model or the state cannot.
    """
    tapes = [Tape(body, _name(index, inputs), "weights.layout") for index, body in enumerate(bodies)]
    old = None if state is None else state_tape(state)
    for index, (said, tape) in enumerate(zip(inputs.bodies, tapes, strict=True)):
        async with _blaming(index, inputs):
            layout = await tape.layout()
            _check(said, layout)
            uniting.admit(layout)
    for step in uniting.steps():
        read = []
        for index, (tape, size) in enumerate(zip(tapes, step.sizes, strict=True)):
            async with _blaming(index, inputs):
                read.append(await tape.read(size))
        kept = await old.read(step.state_bytes) if old is not None else None
        yield await asyncio.to_thread(uniting.unite, step, read, kept)
    for index, tape in enumerate(tapes):
        async with _blaming(index, inputs):
            await tape.end()
    uniting.finish()
    if old is not None:
        await old.end()


def _name(index: int, inputs: Inputs) -> str:
    return "it" if index < len(inputs.updates) else "the last global model"


@asynccontextmanager
async def _blaming(index: int, inputs: Inputs) -> AsyncIterator[None]:
    """Whatever fails within is the fault of this update, or of the last model."""
    try:
        yield
    except MusterError as error:
        if index < len(inputs.updates):
            raise BodyFailed(index, error) from error
        raise


def _check(body: SealedObject, layout: Layout) -> None:
    """Check that a body is what was said of it.

    Raises:
        Integrity: It is not.
    """
    if layout.digest != body.layout:
        raise Integrity("its tensors are not those that its event tells of", code="weights.layout")
    if layout.members != (body.members or {}):
        raise Integrity(
            f"it has members {told(layout.members)}, where its event says {told(body.members or {})}",
            code="weights.members",
        )
