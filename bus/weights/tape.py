"""A body, read in pieces of any size, forward only."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bus.errors import Integrity
from bus.weights.layout import Layout, header_bytes, parse


class Tape:
    """Holds what the stream gave and nobody has read yet: less than a chunk, and what is being read.

    Args:
        stream: The body's chunks.
        name: What it is, for errors.
        code: Of the error if it is too short or too long.
    """

    def __init__(self, stream: AsyncIterator[bytes], name: str, code: str) -> None:
        self._stream = stream
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
        left = len(self._buffer)
        async for chunk in self._stream:
            left += len(chunk)
        if left:
            raise Integrity(f"{self._name} has {left} bytes too many", code=self._code)

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            chunk = await anext(self._stream, None)
            if chunk is None:
                raise Integrity(f"{self._name} ends too early", code=self._code)
            self._buffer += chunk


def state_tape(stream: AsyncIterator[bytes]) -> Tape:
    """The tape of what a strategy kept."""
    return Tape(stream, "the strategy's state", "strategy.state")
