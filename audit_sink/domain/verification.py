"""Verifying a log offline: who said what, nothing missing, nothing changed since it was signed for.

Feed it the log from its first message on. It needs nothing but the operator's public key: all other keys are learned
from the log, in order. What it cannot see is a log that was cut off behind its last message: keep a checkpoint of
your own, and compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit_sink.domain import checkpoint
from audit_sink.domain.leaf import leaf_bytes
from audit_sink.domain.merkle import EMPTY_ROOT, Frontier, leaf_hash
from bus.errors import Integrity, MusterError
from bus.events.governance import Checkpointed
from bus.identity.directory import Directory, Principal
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
        covered: How many of them the last checkpoint covers.
        root: Root hash under that checkpoint, hexadecimal.
        checkpoints: Checkpoints that were compared.
        newer: Messages behind the last checkpoint that are no checkpoints themselves.
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
        self._frontiers = [Frontier()]
        """Since the last checkpoint: a checkpoint speaks of one of these."""
        self._root = EMPTY_ROOT
        self._checkpoints = 0
        self._newer = 0
        self._unproven: list[Unproven] = []

    def add(self, stored: Stored) -> None:
        """Take in the next message.

        Raises:
            Integrity: A message is missing, or what a checkpoint signed for is not what is here.
        """
        size = self._frontiers[-1].size
        if stored.sequence != size + 1:
            raise Integrity(
                f"after message {size} comes {stored.sequence}: messages are missing or out of order", code="log.gap"
            )
        message = stored.message
        leaf = leaf_hash(leaf_bytes(stored.sequence, message.subject, message.headers, message.data))
        grown, _ = self._frontiers[-1].append(leaf)
        try:
            envelope = self._directory.verify(message)
        except MusterError as error:
            self._unproven.append(Unproven(stored.sequence, message.subject, error.code, error.message))
            self._newer += 1
        else:
            self._take(envelope, stored.sequence)
        self._frontiers.append(grown)

    def result(self) -> Verification:
        """What was found.

        Raises:
            Integrity: No checkpoint was ever signed for this log.
        """
        if not self._checkpoints:
            raise Integrity("the log holds no checkpoint of the audit sink: nothing is signed for", code="log.unsigned")
        return Verification(
            events=self._frontiers[-1].size,
            covered=self._frontiers[0].size,
            root=self._root.hex(),
            checkpoints=self._checkpoints,
            newer=self._newer,
            unproven=tuple(self._unproven),
        )

    def _take(self, envelope: Envelope, sequence: int) -> None:
        if not isinstance(envelope.body, Checkpointed):
            self._newer += 1
            return
        body = envelope.body
        self._check(body, self._directory[envelope.actor], sequence)
        place = next(place for place, frontier in enumerate(self._frontiers) if frontier.size == body.size)
        self._frontiers = self._frontiers[place:]
        self._root = body.root
        self._checkpoints += 1
        self._newer = 0

    def _check(self, body: Checkpointed, signer: Principal, sequence: int) -> None:
        key = Ed25519PublicKey.from_public_bytes(signer.signing_key)
        signed = checkpoint.verify(body.note, key, signer.principal)
        if (signed.size, signed.root) != (body.size, body.root):
            raise Integrity(f"the checkpoint in message {sequence} and its note differ", code="checkpoint.note")
        frontier = next((frontier for frontier in self._frontiers if frontier.size == body.size), None)
        if frontier is None:
            raise Integrity(
                f"the checkpoint in message {sequence} speaks of {body.size} messages, which is no state of this log "
                "since the checkpoint before",
                code="checkpoint.size",
            )
        if frontier.root() != body.root:
            raise Integrity(
                f"the first {body.size} messages are not those that the checkpoint in message {sequence} signed for: "
                "one of them was changed, dropped or added",
                code="checkpoint.root",
            )
