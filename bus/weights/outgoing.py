"""Bodies on their way into a blob store: sealed in threads, a window of chunks under way, safe to repeat."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from bus.errors import Integrity
from bus.events.base import Digest
from bus.events.weights import JETSTREAM, SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs, BlobStore
from bus.together import all_together
from bus.weights import sealing
from bus.weights.sealing import CHUNK_BYTES, Seal
from bus.wire import subjects

WINDOW: Final = 16
"""Chunks under way at once: 8 MiB, within a few per cent of the throughput of larger windows."""
BATCH: Final = 4
"""Chunks that a thread reads, seals or opens in one go: few enough to flow, enough to make up for the hop."""


class Upload:
    """Sends one object, chunk after chunk, with a window of chunks under way. Seals in threads.

    Args:
        blobs: Where the wrapped keys go.
        seal: Of the object.
        address: Of the object.
        store: Where the chunks go.
        digest: Of the whole plaintext, if it is known; else it is computed on the way.

    Raises:
        Configuration: This process knows no such store.
    """

    def __init__(
        self, blobs: Blobs, seal: Seal, address: str, store: str = JETSTREAM, digest: Digest | None = None
    ) -> None:
        self._blobs = blobs
        self._chunks = blobs.at(store)
        self._store = store
        self._seal = seal
        self._address = address
        self._known = digest
        self._computed = hashlib.sha256()
        self._under_way: deque[asyncio.Task[None]] = deque()
        self._index = 0
        self._size = 0

    async def send(self, *plaintexts: bytes | memoryview) -> None:
        """Seal and send the next chunks; returns once they are under way.

        Raises:
            Unavailable: An earlier chunk could not be stored.
        """
        await self._put(await asyncio.to_thread(self._sealed, plaintexts))

    async def send_file(self, file: BinaryIO) -> None:
        """Seal and send what is left of a file; an empty one is one empty chunk.

        Raises:
            Unavailable: An earlier chunk could not be stored.
        """
        while sealed := await asyncio.to_thread(lambda: self._sealed(_read(file))):
            await self._put(sealed)
        if self._index == 0:
            await self.send(b"")

    async def _put(self, chunks: Sequence[bytes]) -> None:
        for sealed in chunks:
            while len(self._under_way) >= WINDOW:
                await self._under_way.popleft()
            put = self._chunks.put(subjects.chunk(self._address, self._index), sealed)
            self._under_way.append(asyncio.create_task(put))
            self._index += 1

    def _sealed(self, plaintexts: Sequence[bytes | memoryview]) -> list[bytes]:
        for plaintext in plaintexts:
            self._size += len(plaintext)
            if self._known is None:
                self._computed.update(plaintext)
        return [self._seal.close(self._index + place, plaintext) for place, plaintext in enumerate(plaintexts)]

    async def finish(
        self, key: bytes, recipients: Mapping[str, MLKEM768X25519PublicKey], layout: Digest | None = None
    ) -> SealedObject:
        """Wait for all chunks, store the wrapped keys, and return the reference.

        Raises:
            Unavailable: A chunk or key could not be stored.
        """
        while self._under_way:
            await self._under_way.popleft()
        await share_key(self._blobs, key, self._address, recipients)
        return SealedObject(
            address=self._address,
            digest=self._known or Digest(f"sha256:{self._computed.hexdigest()}"),
            size_bytes=self._size,
            chunk_bytes=CHUNK_BYTES,
            layout=layout,
            store=self._store,
        )

    async def abandon(self) -> None:
        """Stop what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()


async def share_key(
    blobs: BlobStore, key: bytes, address: str, recipients: Mapping[str, MLKEM768X25519PublicKey]
) -> None:
    """Store the file key of the object at ``address``, wrapped for each recipient."""
    wrapped = await asyncio.to_thread(
        lambda: {name: sealing.wrap_key(key, name, public, address) for name, public in recipients.items()}
    )
    await all_together(
        partial(blobs.put, subjects.wrapped_key(address, name), content) for name, content in wrapped.items()
    )


async def upload_file(
    blobs: Blobs,
    path: Path,
    address: str,
    identity: Identity,
    recipients: Mapping[str, MLKEM768X25519PublicKey],
    *,
    layout: Digest | None = None,
    store: Callable[[int], str] = lambda _size: JETSTREAM,
) -> SealedObject:
    """Seal the file at ``path`` for ``recipients`` and store it. Doing so again stores the same bytes.

    Args:
        blobs: Where to.
        path: Of the file.
        address: Of the object.
        identity: Who seals.
        recipients: For whom.
        layout: Digest of the header, for weights.
        store: Chooses the store for a body of so many bytes.

    Raises:
        Configuration: This process knows no such store.
        Integrity: The file was changed meanwhile.
        Unavailable: The store is away or full; call again to go on.
    """
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        digest, size = await asyncio.to_thread(digest_of, path)
        key = sealing.file_key(identity, address, digest.encode())
        upload = Upload(blobs, Seal(key, address, size), address, store(size), digest)
        try:
            await upload.send_file(file)
            if _changed(before, os.fstat(file.fileno())):
                # What was sent is not what the digest says, so nobody would take it.
                raise Integrity(f"{path.name} was changed while it was sent", code="weights.changed")
            return await upload.finish(key, recipients, layout)
        finally:
            await upload.abandon()


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _read(file: BinaryIO) -> list[bytes]:
    """The next few chunks of a file; none at its end."""
    return [chunk for _ in range(BATCH) if (chunk := file.read(CHUNK_BYTES))]


def digest_of(path: Path) -> tuple[Digest, int]:
    """SHA-256 and size of a file, read piece by piece."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Digest(f"sha256:{digest.hexdigest()}"), file.tell()
