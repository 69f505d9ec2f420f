"""Several bodies read side by side: row k holds chunk k of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from bus.errors import Integrity, MusterError


class BodyFailed(MusterError):
    """One of several bodies cannot be used.

    Args:
        index: Which of them.
        reason: Why.
    """

    family = "integrity"

    def __init__(self, index: int, reason: MusterError) -> None:
        super().__init__(reason.message, code=reason.code, index=index)
        self.index = index
        self.reason = reason


async def lockstep(streams: Sequence[AsyncIterator[bytes]]) -> AsyncIterator[list[bytes]]:
    """Row after row of ``streams``.

    Raises:
        BodyFailed: A stream failed, or ended before another.
    """
    while True:
        row = [await _next(stream, index) for index, stream in enumerate(streams)]
        if all(chunk is None for chunk in row):
            return
        for index, chunk in enumerate(row):
            if chunk is None:
                raise BodyFailed(index, Integrity("it ends before the others", code="weights.layout"))
        yield [chunk for chunk in row if chunk is not None]


async def _next(stream: AsyncIterator[bytes], index: int) -> bytes | None:
    try:
        return await anext(stream, None)
    except MusterError as error:
        raise BodyFailed(index, error) from error
