"""Encoded updates in files and stores: frames out, frames in and decoded in step with their model.

A file of frames has each behind its length, four bytes little-endian. In a store a frame lies where the chunk would,
sealed like it; the seal binds the size of the decoded body, so the number of frames is that of the chunks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import msgpack
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from bus.errors import Integrity
from bus.events.base import Digest
from bus.events.weights import Encoded, Encoding, SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import incoming, outgoing, sealing
from bus.weights.encoding.frames import decode
from bus.weights.encoding.places import Place, Places
from bus.weights.lockstep import BodyFailed, lockstep
from bus.weights.sealing import CHUNK_BYTES, Seal

_LENGTH_BYTES: Final = 4
_BATCH: Final = 4
"""Frames that a thread reads and seals in one go."""


def write_frame(file: BinaryIO, frame: bytes) -> None:
    """Append a frame to a file of frames."""
    file.write(len(frame).to_bytes(_LENGTH_BYTES, "little"))
    file.write(frame)


def read_frames(path: Path) -> Iterator[bytes]:
    """The frames of a file."""
    with path.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield file.read(int.from_bytes(length, "little"))


def read_chunks(path: Path) -> Iterator[bytes]:
    """The chunks of a file of weights."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


async def upload(
    blobs: Blobs,
    path: Path,
    address: str,
    identity: Identity,
    recipients: Mapping[str, MLKEM768X25519PublicKey],
    *,
    encoded: Encoded,
    size_bytes: int,
    layout: Digest,
    store: Callable[[int], str],
) -> SealedObject:
    """Seal the frames in the file at ``path`` for ``recipients`` and store them. Doing so again stores the same bytes.

    Args:
        blobs: Where to.
        path: Of the file of frames.
        address: Of the object.
        identity: Who seals.
        recipients: For whom.
        encoded: What the frames are.
        size_bytes: Of the decoded body.
        layout: Digest of its header.
        store: Chooses the store for so many bytes.

    Raises:
        Configuration: This process knows no such store.
        Unavailable: The store is away or full; call again to go on.
    """
    # The file's digest covers where each frame ends, which that of the frames in a row does not.
    digest, _ = await asyncio.to_thread(outgoing.digest_of, path)
    context: bytes = msgpack.packb(["frames", digest, size_bytes])
    key = sealing.file_key(identity, address, context)
    sending = outgoing.Upload(blobs, Seal(key, address, size_bytes), address, store(encoded.sent_bytes))
    try:
        frames = read_frames(path)
        while batch := await asyncio.to_thread(lambda: list(islice(frames, _BATCH))):
            await sending.send(*batch)
        sealed = await sending.finish(key, recipients, layout)
    finally:
        await sending.abandon()
    return sealed.model_copy(update={"size_bytes": size_bytes, "encoded": encoded})


class Decoding:
    """Decodes rows: chunks or frames of several updates, and behind them the chunk of the model.

    Args:
        updates: In the order of the rows.
    """

    def __init__(self, updates: Sequence[SealedObject]) -> None:
        self._encoded = [each.encoded for each in updates]
        self._left = [0 if each is None else each.sent_bytes for each in self._encoded]
        self._places = Places()

    @property
    def needed(self) -> bool:
        """Whether there is anything to decode; rows without it need not end with the model's chunk."""
        return any(each is not None for each in self._encoded)

    def decode(self, row: Sequence[bytes]) -> list[bytes]:
        """The row with chunks in the place of frames.

        Raises:
            BodyFailed: A frame cannot be decoded.
            Invalid: The model is no safetensors file.
        """
        chunks, model = list(row), row[-1]
        place = self._places.take(model)
        for index, encoded in enumerate(self._encoded):
            if encoded is not None:
                self._left[index] -= len(row[index])
                chunks[index] = self._decoded(index, encoded.encoding, place, model, row[index])
        return chunks

    def finish(self) -> None:
        """Check that the frames have as many bytes as was said.

        Raises:
            BodyFailed: They have not.
        """
        for index, left in enumerate(self._left):
            if left:
                found = Integrity(f"its frames have {-left:+} bytes beside what was said", code="encoding.frame")
                raise BodyFailed(index, found)

    @staticmethod
    def _decoded(index: int, encoding: Encoding, place: Place, model: bytes, frame: bytes) -> bytes:
        try:
            return decode(encoding, place, model, frame)
        except Integrity as error:
            raise BodyFailed(index, error) from error


async def decoded(rows: AsyncIterator[list[bytes]], updates: Sequence[SealedObject]) -> AsyncIterator[list[bytes]]:
    """Row after row of ``rows``, decoded.

    Args:
        rows: Of the updates; if one of them is encoded, with the model at the end.
        updates: What they are.

    Raises:
        BodyFailed: As ``lockstep``, a frame cannot be decoded, or they do not have as many bytes as was said.
    """
    decoding = Decoding(updates)
    async for row in rows:
        yield await asyncio.to_thread(decoding.decode, row) if decoding.needed else row
    decoding.finish()


async def download_file(
    blobs: Blobs, sealed: SealedObject, identity: Identity, model: SealedObject | None, path: Path
) -> None:
    """Write an update to ``path``, decoded if it is encoded.

    Args:
        blobs: Where it is.
        sealed: The update.
        identity: Who opens it.
        model: What it was trained from; needed if it is encoded.
        path: Where to.

    Raises:
        NotFound: It or the model is not sealed for this principal, or no longer kept.
        Integrity: It or the model is not what it should be.
    """
    if sealed.encoded is None or model is None:
        await incoming.download_file(blobs, sealed, identity, path)
        return
    async with (
        incoming.reading(blobs, sealed, identity) as frames,
        incoming.reading(blobs, model, identity) as chunks,
    ):
        with path.open("wb") as file:
            try:
                async for row in decoded(lockstep([frames, chunks]), [sealed]):
                    file.write(row[0])
            except BodyFailed as failed:
                raise failed.reason from failed


def decode_file(frames: Path, model: Path, encoding: Encoding, path: Path) -> None:
    """Write the update of which there is a file of frames to ``path``.

    Raises:
        Integrity: A frame cannot be decoded.
    """
    places = Places()
    with path.open("wb") as file:
        for frame, chunk in zip(read_frames(frames), read_chunks(model), strict=True):
            file.write(decode(encoding, places.take(chunk), chunk, frame))
