"""What a reference to a sealed body may say: sizes that can be true, and an address where its speaker may write."""

from __future__ import annotations

from typing import Final

from bus.errors import Integrity, Invalid
from bus.events.weights import SealedObject
from bus.wire import subjects
from bus.wire.topology import MIB

MOST_CHUNKS: Final = 2**32
"""The seal counts chunks in four bytes."""


def check(sealed: SealedObject) -> None:
    """Check that there can be such a body at all, before anything is asked of a store.

    Raises:
        Integrity: Its address is not one, or its sizes cannot be.
    """
    try:
        subjects.address_parts(sealed.address)
    except Invalid as error:
        raise _impossible(sealed, error.message) from error
    if not 1 <= sealed.chunk_bytes <= MIB:
        raise _impossible(sealed, f"chunks of {sealed.chunk_bytes} bytes; expected 1 to {MIB}")
    if sealed.size_bytes < 0 or sealed.chunks > MOST_CHUNKS:
        raise _impossible(
            sealed, f"a size of {sealed.size_bytes} bytes; expected 0 to {MOST_CHUNKS * sealed.chunk_bytes}"
        )


def require_place(sealed: SealedObject, *, owner: str, actor: str | None = None) -> None:
    """Check that a body lies where only those write whose it should be.

    Args:
        sealed: The body.
        owner: In whose business it should be.
        actor: Who should have written it; ``None`` if that may be several.

    Raises:
        Integrity: It is somebody else's.
    """
    check(sealed)
    there, writer, _, _ = subjects.address_parts(sealed.address)
    if there != owner or actor not in {None, writer}:
        raise Integrity(
            f"{sealed.address!r} is not where this should be; expected a body below 'w.{owner}.{actor or '*'}.': it is "
            "somebody else's",
            code="weights.place",
        )


def _impossible(sealed: SealedObject, why: str) -> Integrity:
    return Integrity(
        f"the reference to {sealed.address[:200]!r} cannot be true: {why}; nothing was read",
        code="weights.reference",
    )
