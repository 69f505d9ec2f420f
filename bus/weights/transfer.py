"""Bodies in and out of a blob store: windowed both ways, resumable, checked against their digest."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from bus.errors import Integrity, NotFound
from bus.events.base import Digest
from bus.events.weights import JETSTREAM, SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs, BlobStore
from bus.weights import sealing
from bus.weights.sealing import CHUNK_BYTES, Seal
from bus.wire import subjects

WINDOW: Final = 16
"""Chunks under way at once: 8 MiB, within a few per cent of the throughput of larger windows."""


class Upload:
    """Sends one object, chunk after chunk, with a window of chunks under way.

    Args:
        blobs: Where the wrapped keys go.
        seal: Of the object.
        address: Of the object.
        store: Where the chunks go.

    Raises:
        Configuration: This process knows no such store.
    """

    def __init__(self, blobs: Blobs, seal: Seal, address: str, store: str = JETSTREAM) -> None:
        self._blobs = blobs
        self._chunks = blobs.at(store)
        self._store = store
        self._seal = seal
        self._address = address
        self._digest = hashlib.sha256()
        self._under_way: deque[asyncio.Task[None]] = deque()
        self._index = 0
        self._size = 0

    async def send(self, plaintext: bytes | memoryview) -> None:
        """Seal and send the next chunk; returns once it is under way.

        Raises:
            Unavailable: An earlier chunk could not be stored.
        """
        self._digest.update(plaintext)
        self._size += len(plaintext)
        sealed = self._seal.close(self._index, plaintext)
        put = self._chunks.put(subjects.chunk(self._address, self._index), sealed)
        self._under_way.append(asyncio.create_task(put))
        self._index += 1
        while len(self._under_way) >= WINDOW:
            await self._under_way.popleft()

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
        digest = Digest(f"sha256:{self._digest.hexdigest()}")
        return SealedObject(
            address=self._address,
            digest=digest,
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
    for recipient, public in recipients.items():
        wrapped = sealing.wrap_key(key, recipient, public, address)
        await blobs.put(subjects.wrapped_key(address, recipient), wrapped)


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
        Unavailable: The store is away or full; call again to go on.
    """
    digest, size = digest_of(path)
    key = sealing.file_key(identity, address, digest.encode())
    upload = Upload(blobs, Seal(key, address, size), address, store(size))
    try:
        for chunk in read_chunks(path):
            await upload.send(chunk)
        return await upload.finish(key, recipients, layout)
    finally:
        await upload.abandon()


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
    return sealing.unwrap_key(wrapped, identity.principal, identity.sealing, sealed.address)


async def download(
    blobs: Blobs, sealed: SealedObject, identity: Identity, *, window: int = WINDOW
) -> AsyncGenerator[bytes, None]:
    """The plaintext of ``sealed``, chunk by chunk, in order, with ``window`` chunks asked for ahead.

    Raises:
        NotFound: Not sealed for this principal, or chunks are gone.
        Integrity: A chunk does not open, or the whole is not what its digest says (raised at the end).
        Configuration: This process knows no such store.
    """
    chunks = blobs.at(sealed.store)
    seal = Seal.of(await fetch_key(blobs, sealed, identity), sealed)
    digest = hashlib.sha256()
    async for index, data in _chunks(chunks, sealed, window):
        plaintext = seal.open(index, data)
        digest.update(plaintext)
        yield plaintext
    if f"sha256:{digest.hexdigest()}" != sealed.digest:
        raise Integrity(f"the content of {sealed.address!r} is not what its digest says", code="weights.digest")


async def download_file(blobs: Blobs, sealed: SealedObject, identity: Identity, path: Path) -> None:
    """Write the plaintext of ``sealed`` to ``path``, which appears only when it is whole and right.

    Raises:
        NotFound: As ``download``.
        Integrity: As ``download``; nothing is left at ``path``.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            async for chunk in download(blobs, sealed, identity):
                file.write(chunk)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


async def _chunks(blobs: BlobStore, sealed: SealedObject, window: int) -> AsyncIterator[tuple[int, bytes]]:
    under_way: deque[asyncio.Task[bytes]] = deque()
    asked = 0
    try:
        for index in range(sealed.chunks):
            while asked < sealed.chunks and len(under_way) < window:
                under_way.append(asyncio.create_task(blobs.get(subjects.chunk(sealed.address, asked))))
                asked += 1
            yield index, await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def digest_of(path: Path) -> tuple[Digest, int]:
    """SHA-256 and size of a file, read chunk by chunk."""
    digest, size = hashlib.sha256(), 0
    for chunk in read_chunks(path):
        digest.update(chunk)
        size += len(chunk)
    return Digest(f"sha256:{digest.hexdigest()}"), size


def read_chunks(path: Path) -> Iterator[bytes]:
    """The chunks of a file; one empty chunk for an empty file."""
    with path.open("rb") as file:
        chunk = file.read(CHUNK_BYTES)
        yield chunk
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
