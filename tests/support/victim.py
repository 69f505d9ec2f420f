"""A sealed body in a real store, and what somebody can do there who is not honest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bus.events.weights import JETSTREAM, S3, SealedObject
from bus.identity.keys import Identity
from bus.ports import Blobs
from bus.weights import outgoing, sealing
from bus.wire import subjects
from support import people
from support.weed import Weed


@dataclass(frozen=True)
class Victim:
    """One body, read by one principal.

    Attributes:
        blobs: The stores, as the operator has them.
        weed: The S3 server.
        bucket: In it.
        sealed: The true reference.
        plain: The plaintext.
        reader: For whom it is sealed.
        neighbour: Another edge's update of the same cycle, true in every respect.
    """

    blobs: Blobs
    weed: Weed
    bucket: str
    sealed: SealedObject
    plain: Path
    reader: str
    neighbour: SealedObject | None = None

    @property
    def sealer(self) -> str:
        return subjects.address_parts(self.sealed.address)[1]

    @property
    def last(self) -> int:
        return self.sealed.chunks - 1

    @property
    def key(self) -> str:
        """Subject of the wrapped key."""
        return subjects.wrapped_key(self.sealed.address, self.reader)

    async def chunk(self, index: int) -> bytearray:
        return bytearray(await self.blobs.at(self.sealed.store).get(subjects.chunk(self.sealed.address, index)))

    async def write(self, index: int, data: bytes) -> None:
        """Put something else in the place of a chunk, which was written once."""
        subject = subjects.chunk(self.sealed.address, index)
        if self.sealed.store == S3:
            self.weed.overwrite(self.bucket, subject, bytes(data))
        else:
            await self._replace(subject, data)

    async def drop(self, index: int) -> None:
        assert await self.blobs.at(self.sealed.store).delete(subjects.chunk(self.sealed.address, index)) == 1

    async def flip(self, index: int, byte: int) -> None:
        """Turn the lowest bit of one byte of a chunk over."""
        data = await self.chunk(index)
        data[byte] ^= 1
        await self.write(index, data)

    async def wrapped(self) -> bytearray:
        return bytearray(await self.blobs.get(self.key))

    async def lock(self, data: bytes) -> None:
        """Put something else in the place of the wrapped key."""
        await self._replace(self.key, data)

    async def lose_key(self) -> None:
        assert await self.blobs.delete(self.key) == 1

    async def other(
        self, *, speaker: str | None = None, experiment: str = "", name: str = "", recipient: str | None = None
    ) -> SealedObject:
        """The very same plaintext, sealed by its speaker at another address."""
        owner, actor, run, called = subjects.address_parts(self.sealed.address)
        address = subjects.weights_address(owner, speaker or actor, experiment or run, name or called)
        who = recipient or self.reader
        return await outgoing.upload_file(
            self.blobs,
            self.plain,
            address,
            people.identity(speaker or actor),
            {who: people.directory()[who].sealing},  # type: ignore[index]
            layout=self.sealed.layout,
            store=lambda _: self.sealed.store,
        )

    async def take_over(self, other: SealedObject, *, key: bool, only: int | None = None) -> None:
        """Lay the chunks of another body, one of them or all, in the places of this one's; and its key, if so."""
        for index in range(self.sealed.chunks) if only is None else [only]:
            subject = subjects.chunk(other.address, index)
            await self.write(index, await self.blobs.at(other.store).get(subject))
        if key:
            await self.lock(await self.blobs.get(subjects.wrapped_key(other.address, self.reader)))

    async def forged(self, plain: bytes, name: str, **lies: object) -> SealedObject:
        """Another body of the sealer's own, sealed as its owner likes: sizes in the seal are those of ``lies``.

        ``pieces``, if given, are the plaintexts of the chunks.
        """
        owner, actor, run, _ = subjects.address_parts(self.sealed.address)
        address = subjects.weights_address(owner, actor, run, name)
        pieces = lies.pop("pieces", None) or [
            plain[start : start + self.sealed.chunk_bytes] for start in range(0, len(plain), self.sealed.chunk_bytes)
        ]
        assert isinstance(pieces, list)
        key = sealing.file_key(self.identity, address, b"forged")
        told = self.sealed.model_copy(update={"address": address, "size_bytes": len(plain), **lies})
        seal = sealing.Seal.of(key, told)
        store = self.blobs.at(told.store)
        for index, piece in enumerate(pieces):
            subject = subjects.chunk(address, index)
            await store.delete(subject)
            await store.put(subject, seal.close(index, piece))
        await self.blobs.delete(f"{address}.key.*")
        await outgoing.share_key(self.blobs, key, address, {self.reader: people.directory()[self.reader].sealing})  # type: ignore[index]
        return told

    @property
    def identity(self) -> Identity:
        return people.identity(self.sealer)

    async def _replace(self, subject: str, data: bytes) -> None:
        home = self.blobs.at(JETSTREAM)
        assert await home.delete(subject) == 1
        await home.put(subject, bytes(data))
