"""References to sealed bodies, and the numbers that travel in the clear beside them."""

from __future__ import annotations

from typing import Final

from bus.events.base import Digest, Payload

JETSTREAM: Final = "jetstream"
"""The store at the broker."""
S3: Final = "s3"
"""An S3-compatible store beside the broker."""
BY_SIZE: Final = "auto"
"""A wish, not a store: small bodies at the broker, large ones beside it."""


EXACT: Final = "exact"
FLOAT16: Final = "float16"
BFLOAT16: Final = "bfloat16"
INT8: Final = "int8"
NO_COMPRESSION: Final = "none"
ZSTD: Final = "zstd"


class Encoding(Payload):
    """How updates of training cycles are made smaller on their way up. Without arguments: not at all.

    ``bus.events.encodings`` says which ones there are and which strategies they go with.
    """

    values: str = EXACT
    """``exact``, or what the differences to the global model are rounded to: ``float16``, ``bfloat16`` or ``int8``."""
    keep: float = 1.0
    """Share of the elements that are sent, those that changed most; the others stay as they were."""
    error_feedback: bool = False
    """Whether an edge adds to its next update what this one left out."""
    compression: str = NO_COMPRESSION
    """``none`` or ``zstd``."""

    @property
    def plain(self) -> bool:
        """Whether updates travel as they are."""
        return self.values == EXACT and self.keep == 1 and self.compression == NO_COMPRESSION

    @property
    def lossy(self) -> bool:
        """Whether something can be lost."""
        return self.values != EXACT or self.keep < 1


class Encoded(Payload):
    """What lies in the store instead of a body's chunks: as many frames, each one the difference to a chunk."""

    encoding: Encoding
    model: Digest
    """Of the body that they are the difference to: the global model of the cycle."""
    sent_bytes: int
    """Of all frames together, without seals."""


class SealedObject(Payload):
    """A body in a blob store: sealed chunks under ``address``, wrapped keys under ``address.key.<recipient>``."""

    address: str
    """Subject prefix ``w.<owner>.<actor>.<experiment>.<object>``; bound into the seal of every chunk."""
    digest: Digest
    """Of the plaintext. For weights it is the digest of the ``model.safetensors`` file; for an encoded update that of
    its frames, one behind the other."""
    size_bytes: int
    """Of the plaintext; of an encoded update, once it is decoded."""
    chunk_bytes: int
    """Plaintext bytes per chunk; the last one may be shorter."""
    layout: Digest | None = None
    """Of the safetensors header, for weights, or of its form, for weights with members: equal for all bodies that can
    be combined."""
    store: str = JETSTREAM
    """Where the chunks lie: ``jetstream`` or ``s3``. The wrapped keys are at the broker in any case."""
    members: dict[str, int] | None = None
    """Group of members, such as the trees of a forest -> how many, for weights that have any; an update's are those
    that it adds."""
    encoded: Encoded | None = None
    """Set for an update of which frames lie there and not chunks."""

    @property
    def sent_bytes(self) -> int:
        """Bytes that lie in the store, without seals and keys."""
        return self.size_bytes if self.encoded is None else self.encoded.sent_bytes

    @property
    def chunks(self) -> int:
        """Number of chunks; an empty body has one empty chunk."""
        return max(1, -(-self.size_bytes // self.chunk_bytes))


class Score(Payload):
    """One metric on one set of rows."""

    name: str
    split: str
    """``train``, ``validation`` or ``test``."""
    stage: str
    """``received`` for the global model as it came, ``trained`` after local training."""
    value: float | None
    reason: str | None = None
    """Why there is no value."""
    count: int
    """Rows that it was computed on."""


class FederatedScore(Payload):
    """A metric over the whole cohort."""

    name: str
    split: str
    stage: str
    value: float | None
    reason: str | None = None
    count: int
    method: str
    """How it was combined, e.g. ``from counts and sums of all rows``."""
    within: float | None = None
    """Most by which the metric of all rows in one place can differ; ``None`` where it is the same, or nothing can be
    said: ``method`` tells which."""


class Resources(Payload):
    """What a piece of work cost, measured by the daemon from outside the worker."""

    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    sent_bytes: int = 0
