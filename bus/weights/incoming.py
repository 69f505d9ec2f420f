"""Bodies on their way out of a blob store: asked for ahead, opened in threads, checked against their digest."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from bus.errors import Integrity, NotFound
from bus.events.weights import SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs, BlobStore
from bus.weights import references, sealing
from bus.weights.outgoing import BATCH, WINDOW
from bus.weights.sealing import Seal
from bus.wire import subjects


async def fetch_key(blobs: BlobStore, sealed: SealedObject, identity: Identity) -> bytes:
    """The file key of ``sealed``.

    Raises:
        NotFound: It was not sealed for this principal.
        Integrity: The wrapped key does not open.
    """
    try:
        wrapped = await blobs.get(subjects.wrapped_key(sealed.address, identity.principal))
    except NotFound:
        raise NotFound(
            f"{sealed.address!r} is not sealed for {identity.principal!r}, or is no longer kept", code="seal.recipient"
        ) from None
    return sealing.unwrap_key(bytes(wrapped), identity.principal, identity.sealing, sealed.address)


class Incoming:
    """An object as it comes in: sealed chunks in order, some of them asked for ahead. Make one with ``reading``.

    Taking is the event loop's work, opening that of a thread.
    """

    def __init__(self, chunks: BlobStore, seal: Seal, sealed: SealedObject, window: int) -> None:
        self._chunks = chunks
        self._seal = seal
        self._sealed = sealed
        self._window = window
        self._under_way: deque[asyncio.Task[bytes | bytearray]] = deque()
        self._asked = 0
        self._opened = 0
        self._digest = hashlib.sha256()

    async def take(self, most: int = 1) -> list[bytes | bytearray]:
        """The next sealed chunk, and up to ``most`` if they are there already; none at the end.

        Raises:
            NotFound: A chunk is gone.
            Unavailable: The store is away.
        """
        self._ask()
        taken: list[bytes | bytearray] = []
        while self._under_way and len(taken) < most and (not taken or _came(self._under_way[0])):
            taken.append(await self._under_way.popleft())
        self._ask()
        return taken

    def _ask(self) -> None:
        while self._asked < self._sealed.chunks and len(self._under_way) < self._window:
            subject = subjects.chunk(self._sealed.address, self._asked)
            self._under_way.append(asyncio.create_task(self._chunks.get(subject)))
            self._asked += 1

    def open(self, data: bytes | bytearray) -> bytes:
        """The plaintext of the next chunk that was taken.

        Raises:
            Integrity: It does not open.
        """
        plaintext = self._seal.open(self._opened, data)
        self._digest.update(plaintext)
        self._opened += 1
        return plaintext

    def check(self) -> None:
        """Check, at the end, that it was what was promised.

        Raises:
            Integrity: The whole is not what its digest says.
        """
        if f"sha256:{self._digest.hexdigest()}" != self._sealed.digest:
            raise Integrity(
                f"the content of {self._sealed.address!r} is not what its digest says", code="weights.digest"
            )

    async def abandon(self) -> None:
        """Ask for no more."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _came(chunk: asyncio.Task[bytes | bytearray]) -> bool:
    """Whether it is there. If it is missing, those before it are opened first: what is wrong first is told."""
    return chunk.done() and not chunk.cancelled() and chunk.exception() is None


@asynccontextmanager
async def reading(
    blobs: Blobs, sealed: SealedObject, identity: Identity, *, window: int = WINDOW
) -> AsyncIterator[Incoming]:
    """``sealed``, with ``window`` chunks asked for ahead.

    Raises:
        NotFound: It was not sealed for this principal.
        Integrity: The wrapped key does not open, or the reference itself cannot be true.
        Configuration: This process knows no such store.
    """
    references.check(sealed)
    chunks = blobs.at(sealed.store)
    body = Incoming(chunks, Seal.of(await fetch_key(blobs, sealed, identity), sealed), sealed, window)
    try:
        yield body
    finally:
        await body.abandon()


async def download_file(blobs: Blobs, sealed: SealedObject, identity: Identity, path: Path) -> None:
    """Write the plaintext of ``sealed`` to ``path``, which appears only when it is whole and right.

    Raises:
        NotFound: As ``reading``, or chunks are gone.
        Integrity: A chunk does not open, or the whole is not what its digest says; nothing is left at ``path``.
        Configuration: As ``reading``.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        async with reading(blobs, sealed, identity) as body:
            with temporary.open("wb") as file:
                while taken := await body.take(BATCH):
                    await asyncio.to_thread(_write, file, body, taken)
            body.check()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(file: BinaryIO, body: Incoming, taken: Sequence[bytes | bytearray]) -> None:
    file.writelines(body.open(data) for data in taken)
