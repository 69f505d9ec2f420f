"""A body, read in pieces of any size, forward only."""

from __future__ import annotations

import asyncio

from bus.errors import Integrity
from bus.weights.layout import Layout, header_bytes, parse
from bus.weights.lockstep import Body


class Tape:
    """Holds what came and nobody has read yet: less than a chunk, and what is being read.

    Args:
        body: Read by nobody else.
        name: What it is, for errors.
        code: Of the error if it is too short or too long.
    """

    def __init__(self, body: Body, name: str, code: str) -> None:
        self._body = body
        self._name = name
        self._code = code
        self._buffer = bytearray()

    async def layout(self) -> Layout:
        """Read the header of a body of weights.

        Raises:
            Integrity: The body ends within it.
            Invalid: It is no header.
        """
        await self._fill(8)
        size = header_bytes(bytes(self._buffer[:8]))
        return parse(await self.read(size))

    async def read(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            Integrity: It ends before.
        """
        await self._fill(size)
        with memoryview(self._buffer) as view:
            piece = bytes(view[:size])
        del self._buffer[:size]
        return piece

    async def end(self) -> None:
        """Check that nothing is left.

        Raises:
            Integrity: There is, or it is not what its digest says.
        """
        if self._buffer or await self._more():
            raise Integrity(f"{self._name} is longer than its header says", code=self._code)
        self._body.check()

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            if not await self._more():
                raise Integrity(f"{self._name} ends too early", code=self._code)

    async def _more(self) -> bool:
        """Whether there was another chunk."""
        taken = await self._body.take()
        for data in taken:
            self._buffer += await asyncio.to_thread(self._body.open, data)
        return bool(taken)


def state_tape(body: Body) -> Tape:
    """The tape of what a strategy kept."""
    return Tape(body, "the strategy's state", "strategy.state")
