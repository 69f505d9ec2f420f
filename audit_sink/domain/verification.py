"""Verifying a log offline: who said what, nothing missing, nothing changed since it was signed for.

Feed it the log from its first message on. It needs nothing but the operator's public key: all other keys are learned
from the log, in order. What it cannot see is a log that was cut off behind its last message: keep a checkpoint of
your own, and compare.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit_sink.domain import checkpoint
from audit_sink.domain.leaf import leaf_bytes
from audit_sink.domain.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash, root_hash
from bus.errors import Integrity, MusterError
from bus.events.governance import Checkpointed
from bus.events.principals import PrincipalRegistered
from bus.identity.directory import Directory, Principal
from bus.identity.keys import key_id
from bus.wire.envelope import Envelope
from bus.wire.message import Stored

_SHOWN: Final = 16


@dataclass(frozen=True)
class Unproven:
    """A message on the log that does not prove to be what it claims. Readers ignore it; it is no fault of the log."""

    sequence: int
    subject: str
    code: str
    reason: str


@dataclass(frozen=True)
class Verification:
    """What was found; there is one only if everything holds.

    Attributes:
        events: Messages on the log.
        covered: How many of them, from the first on, a checkpoint covers.
        root: Root hash over these, hexadecimal.
        checkpoints: Checkpoints that were compared.
        newer: Messages that no checkpoint covers, other than checkpoints.
        unproven: Messages that readers ignore, with the reason.
    """

    events: int
    covered: int
    root: str
    checkpoints: int
    newer: int
    unproven: tuple[Unproven, ...]

    def __str__(self) -> str:
        rest = f"; {self.newer} newer events are not covered yet" if self.newer else ""
        ignored = f"; {len(self.unproven)} messages prove nothing and are ignored" if self.unproven else ""
        return f"audit:  {self.covered} events, root {self.root[:_SHOWN]}..., verified{rest}{ignored}"


class Verifier:
    """Takes a log in, message by message.

    Args:
        anchor: The operator.
    """

    def __init__(self, anchor: Principal) -> None:
        self._directory = Directory(anchor)
        self._keys = {(anchor.principal, key_id(anchor.signing_key)): anchor.signing_key}
        self._tree = _Tree()
        self._covered, self._root = 0, EMPTY_ROOT
        self._checkpoints = 0
        self._newer: list[int] = []
        self._unproven: list[Unproven] = []

    def add(self, stored: Stored) -> None:
        """Take in the next message.

        Raises:
            Integrity: A message is missing, or what a checkpoint signed for is not what is here.
        """
        size = self._tree.size
        if stored.sequence != size + 1:
            raise _broken(
                stored.sequence,
                f"after message {size} comes {stored.sequence}: messages are missing or out of order",
                "log.gap",
            )
        message = stored.message
        try:
            envelope = self._directory.verify(message)
        except MusterError as error:
            self._unproven.append(Unproven(stored.sequence, message.subject, error.code, error.message))
            self._newer.append(stored.sequence)
        else:
            self._take(envelope, stored.sequence)
        self._tree.append(leaf_hash(leaf_bytes(stored.sequence, message.subject, message.headers, message.data)))

    def result(self) -> Verification:
        """What was found.

        Raises:
            Integrity: No checkpoint was ever signed for this log.
        """
        if not self._checkpoints:
            raise Integrity("the log holds no checkpoint of the audit sink: nothing is signed for", code="log.unsigned")
        return Verification(
            events=self._tree.size,
            covered=self._covered,
            root=self._root.hex(),
            checkpoints=self._checkpoints,
            newer=len(self._newer),
            unproven=tuple(self._unproven),
        )

    def _take(self, envelope: Envelope, sequence: int) -> None:
        match envelope.body:
            case Checkpointed() as body:
                self._compare(body, envelope, sequence)
                return
            case PrincipalRegistered() as body:
                self._keys[(body.principal, key_id(body.signing_key))] = body.signing_key
        self._newer.append(sequence)

    def _compare(self, body: Checkpointed, envelope: Envelope, sequence: int) -> None:
        self._check_note(body, envelope, sequence)
        if body.size > self._tree.size:
            raise _broken(
                sequence,
                f"the checkpoint in message {sequence} speaks of {body.size} messages, but only {self._tree.size} come "
                "before it: messages are missing, or the audit sink signed for another log",
                "checkpoint.size",
            )
        if self._tree.root(body.size) != body.root:
            raise _broken(
                sequence,
                f"the first {body.size} messages are not those that the checkpoint in message {sequence} signed for: "
                "one of them was changed, dropped or added",
                "checkpoint.root",
            )
        self._checkpoints += 1
        # An audit sink that lost its store may sign for a beginning once more.
        if body.size > self._covered:
            self._covered, self._root = body.size, body.root
            self._newer = [each for each in self._newer if each > body.size]

    def _check_note(self, body: Checkpointed, envelope: Envelope, sequence: int) -> None:
        """The note must be signed by the key that signed the event: a key may be replaced between two checkpoints."""
        key = Ed25519PublicKey.from_public_bytes(self._keys[(envelope.actor, envelope.key_id)])
        try:
            signed = checkpoint.verify(body.note, key, envelope.actor)
        except MusterError as error:
            raise _broken(
                sequence,
                f"the note of the checkpoint in message {sequence} proves nothing: {error.message}",
                error.code,
            ) from error
        if (signed.origin, signed.size, signed.root) != (body.log, body.size, body.root):
            raise _broken(sequence, f"the checkpoint in message {sequence} and its note differ", "checkpoint.note")


def verify(log: Iterable[Stored], anchor: Principal) -> Verification:
    """Verify a whole log.

    Args:
        log: All its messages, from the first on.
        anchor: The operator.

    Raises:
        Integrity: The log was changed; ``details["sequence"]`` is the first message where that shows.
    """
    verifier = Verifier(anchor)
    for stored in log:
        verifier.add(stored)
    return verifier.result()


class _Tree:
    """All hashes of a tree, 64 bytes for each leaf, so that its root at any earlier size can be told."""

    def __init__(self) -> None:
        self._frontier = Frontier()
        self._levels: list[bytearray] = []

    @property
    def size(self) -> int:
        return self._frontier.size

    def append(self, leaf: bytes) -> None:
        self._frontier, nodes = self._frontier.append(leaf)
        for node in nodes:
            if node.level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[node.level] += node.hash

    def root(self, size: int) -> bytes:
        return root_hash(size, self._hash)

    def _hash(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])


def _broken(sequence: int, message: str, code: str) -> Integrity:
    return Integrity(message, code=code, sequence=sequence)
