"""Checkpoints: signed tree heads (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint).

A checkpoint is a signed note (``note``) whose text is: the log's origin; the tree size in decimal; the root hash in
base64; and, though we write none, extension lines that are not empty. Whoever signs must never sign two checkpoints
that are not consistent; that is the service's duty, not this module's.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit_sink.domain import note
from audit_sink.domain.merkle import EMPTY_ROOT, HASH_BYTES
from bus.errors import Invalid

MAX_SIZE: Final = 2**63 - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_HEAD_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head.

    Attributes:
        origin: Identity of the log, by convention a URL without its schema, such as ``muster.example/audit``.
        size: Leaves in the tree.
        root: Root hash, 32 bytes.
        extensions: Further lines; others may have written some.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise Invalid(f"line {line!r} of a checkpoint is empty or has a newline", code="checkpoint.line")
        if not 0 <= self.size <= MAX_SIZE:
            raise Invalid(f"tree size is {self.size}, expected 0 to {MAX_SIZE}", code="checkpoint.size")
        if len(self.root) != HASH_BYTES:
            raise Invalid(f"root hash has {len(self.root)} bytes, expected {HASH_BYTES}", code="checkpoint.root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Invalid("root hash is not that of the empty tree, but the size is 0", code="checkpoint.root")

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey, name: str) -> str:
    """The checkpoint as a note with one signature.

    Args:
        checkpoint: What to sign.
        key: The log's key.
        name: Its name; should be the origin.

    Raises:
        Invalid: The name, or a line of the checkpoint, is not allowed in a note.
    """
    return note.sign(checkpoint.text, key, name)


def parse(text: str) -> Checkpoint:
    """Read a checkpoint's note without verifying it: good for showing, never for trusting.

    Raises:
        Invalid: It is malformed; the message says where.
    """
    return _head(note.parse(text)[0])


def verify(text: str, key: Ed25519PublicKey, name: str) -> Checkpoint:
    """The checkpoint in a note that ``key`` has signed as ``name``.

    The caller compares the origin with the log that was asked for.

    Raises:
        Invalid: It is malformed; the message says where.
        Integrity: It has no signature of this key, or a wrong one.
    """
    return _head(note.verify(text, key, name))


def _head(text: str) -> Checkpoint:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < _HEAD_LINES:
        raise Invalid(f"checkpoint has {len(lines)} lines, expected origin, size and root", code="checkpoint.form")
    origin, size, root, *extensions = lines
    if not _DECIMAL.fullmatch(size):
        raise Invalid(f"tree size {size!r} is not a decimal number without leading zeros", code="checkpoint.size")
    return Checkpoint(origin, int(size), note.decode_base64(root, "root hash"), tuple(extensions))
