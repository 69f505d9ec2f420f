"""Several bodies read side by side: row k holds chunk k of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

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


class Body(Protocol):
    """One of them; see ``incoming.Incoming``."""

    async def take(self) -> list[bytes | bytearray]:
        """The next sealed chunk; none at the end."""
        ...

    def open(self, data: bytes | bytearray) -> bytes:
        """Its plaintext."""
        ...

    def check(self) -> None:
        """Check, at the end, that it was what was promised."""
        ...


async def lockstep(bodies: Sequence[Body], *, ahead: bool = False) -> AsyncIterator[list[bytes]]:
    """Row after row of ``bodies``, opened in a thread.

    Args:
        bodies: Read by nobody else.
        ahead: Prepare the next row while the present one is worked on; it takes the memory of one row more.

    Raises:
        BodyFailed: A body failed, or ended before another.
    """
    following: asyncio.Task[list[bytes]] | None = None
    try:
        while row := await (following or _row(bodies)):
            following = asyncio.create_task(_row(bodies)) if ahead else None
            yield row
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _row(bodies: Sequence[Body]) -> list[bytes]:
    """The next row; empty at the end."""
    taken = []
    for index, body in enumerate(bodies):
        with _blamed(index):
            taken.append(await body.take())
    if not any(taken):
        for index, body in enumerate(bodies):
            with _blamed(index):
                body.check()
        return []
    for index, chunks in enumerate(taken):
        if not chunks:
            raise BodyFailed(index, Integrity("it ends before the others", code="weights.layout"))
    return await asyncio.to_thread(_opened, bodies, [chunks.pop() for chunks in taken])


def _opened(bodies: Sequence[Body], row: list[bytes | bytearray]) -> list[bytes]:
    """Plaintexts of a row, whose sealed chunks are let go one by one: with many bodies they are most of the memory."""
    plaintexts = []
    for index, body in enumerate(bodies):
        with _blamed(index):
            plaintexts.append(body.open(row[index]))
        row[index] = b""
    return plaintexts


@contextmanager
def _blamed(index: int) -> Iterator[None]:
    try:
        yield
    except MusterError as error:
        raise BodyFailed(index, error) from error
