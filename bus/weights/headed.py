"""Bodies that are read in step, each held to its own reference: who lies about a header is named, and nobody else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from bus.errors import Integrity, Invalid
from bus.events.base import Digest
from bus.events.weights import SealedObject
from bus.weights.layout import header_bytes, parse
from bus.weights.lockstep import Body

_PREFIX_BYTES: Final = 8


def headed(bodies: Sequence[Body], references: Sequence[SealedObject]) -> list[Body]:
    """The same bodies, which fail with the first chunk that shows another header than the reference promises.

    Compared with each other only, the first body would always be right, and all that are honest could be blamed.

    Args:
        bodies: As they come in.
        references: What is said of them, in the same order.
    """
    sizes: dict[Digest, int] = {}
    return [_Headed(body, reference, sizes) for body, reference in zip(bodies, references, strict=True)]


class _Headed:
    """See ``lockstep.Body``. Holds the chunks of the header until that is whole, and then nothing.

    Args:
        body: The body.
        reference: What is said of it.
        sizes: Of whole bodies, by digest of a header that was understood before.
    """

    def __init__(self, body: Body, reference: SealedObject, sizes: dict[Digest, int]) -> None:
        self._body = body
        self._reference = reference
        self._sizes = sizes
        self._start: bytearray | None = bytearray()

    async def take(self) -> list[bytes | bytearray]:
        """The next sealed chunk; none at the end."""
        return await self._body.take()

    def open(self, data: bytes | bytearray) -> bytes:
        """Its plaintext.

        Raises:
            Integrity: It does not open; the header is another one, or the body has another size than it says.
            Invalid: There can be no whole header.
        """
        plaintext = self._body.open(data)
        if self._start is not None:
            self._start += plaintext
            self._start = None if self._whole(self._start) else self._start
        return plaintext

    def check(self) -> None:
        """Check, at the end, that it was what was promised."""
        self._body.check()

    def _whole(self, start: bytearray) -> bool:
        """Whether ``start`` has the header in it, which is then right."""
        reference = self._reference
        length = header_bytes(bytes(start[:_PREFIX_BYTES]))
        if length > reference.size_bytes:
            raise Invalid(
                f"the header of {reference.address!r} would have {length} bytes, the whole has {reference.size_bytes}",
                code="weights.format",
            )
        if len(start) < length:
            return False
        header = bytes(start[:length])
        digest = Digest(f"sha256:{hashlib.sha256(header).hexdigest()}")
        if reference.layout not in {None, digest}:
            raise Integrity(
                f"the header of {reference.address!r} is not the one that its reference names: names, types, shapes or "
                "order of its tensors are others",
                code="weights.layout",
            )
        if digest not in self._sizes:
            self._sizes[digest] = parse(header).size_bytes
        if self._sizes[digest] != reference.size_bytes:
            raise Integrity(
                f"{reference.address!r} has {reference.size_bytes} bytes, and its header speaks of "
                f"{self._sizes[digest]}",
                code="weights.length",
            )
        return True
