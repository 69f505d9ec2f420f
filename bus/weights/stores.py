"""Which store a body lies in: the broker's own, or one beside it for large models (``docs/decisions/0022``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bus.errors import Configuration, Invalid
from bus.events.weights import BY_SIZE, JETSTREAM, S3
from bus.ports import BlobStore, Room


@dataclass(frozen=True)
class Stores:
    """See ``bus.ports.Blobs``.

    Attributes:
        home: The broker's own store.
        others: Those beside it, by name.
        asked: Tells how full the broker's own store is, if it has a limit.
    """

    home: BlobStore
    others: Mapping[str, BlobStore] = field(default_factory=dict)
    asked: Callable[[], Awaitable[Room | None]] | None = None

    def at(self, store: str) -> BlobStore:
        """The store with this name."""
        if store == JETSTREAM:
            return self.home
        if store not in self.others:
            known = ", ".join((JETSTREAM, *self.others))
            raise Configuration(
                f"weights lie, or shall lie, in the store {store!r}, and this process knows only {known}: name the "
                "store in its settings, or give the federation one with 'muster up DIR --s3 URL'",
                code="store.unknown",
            )
        return self.others[store]

    async def room(self) -> Room | None:
        """How full the broker's own store is."""
        return None if self.asked is None else await self.asked()

    async def put(self, subject: str, data: bytes | memoryview) -> None:
        """Store in the broker's own store."""
        await self.home.put(subject, data)

    async def get(self, subject: str) -> bytes | bytearray:
        """What the broker's own store holds."""
        return await self.home.get(subject)

    async def subjects(self, filter_: str) -> frozenset[str]:
        """What the broker's own store holds under ``filter_``."""
        return await self.home.subjects(filter_)

    async def delete(self, filter_: str) -> int:
        """Forget what the broker's own store holds under ``filter_``."""
        return await self.home.delete(filter_)


def choose(wanted: str, size_bytes: int, s3_from_bytes: int | None) -> str:
    """The store for a body.

    Args:
        wanted: ``auto`` or a store, as the plan says.
        size_bytes: Of the body.
        s3_from_bytes: Bodies of this size and more go to S3; ``None`` where there is no such store.

    Raises:
        Invalid: No such wish is known.
    """
    if wanted in {JETSTREAM, S3}:
        return wanted
    if wanted != BY_SIZE:
        raise Invalid(
            f"there is no store {wanted[:40]!r}; expected {BY_SIZE}, {JETSTREAM} or {S3}: this process may be older "
            "than what asks for it",
            code="store.wish",
        )
    return JETSTREAM if s3_from_bytes is None or size_bytes < s3_from_bytes else S3
