"""Whom to believe: the keys that the operator vouched for, and the check of every message against them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from bus.errors import Configuration, Denied, Integrity, Invalid, NotFound
from bus.events import Command, Event, Role
from bus.events.base import FEDERATION, OwnerId, PrincipalId
from bus.events.principals import PrincipalRegistered
from bus.identity.keys import Identity, key_id, sealing_key_from_bytes
from bus.wire import envelope, subjects
from bus.wire.envelope import Envelope
from bus.wire.message import Message


@dataclass(frozen=True)
class Principal:
    """What is publicly known of a principal."""

    principal: PrincipalId
    role: Role
    owner: OwnerId
    signing_key: bytes
    sealing_key: bytes

    @classmethod
    def of(cls, identity: Identity) -> Principal:
        """The public part of ``identity``."""
        return cls(
            identity.principal,
            identity.role,
            identity.owner,
            identity.signing_public,
            identity.sealing.public_bytes,
        )

    def save(self, path: Path) -> None:
        """Write the public part to ``path``, as the anchor that others start from."""
        content = {
            "principal": self.principal,
            "role": self.role.value,
            "owner": self.owner,
            "signing_key": self.signing_key.hex(),
            "sealing_key": self.sealing_key.hex(),
        }
        path.write_text(json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Principal:
        """The public part saved at ``path``.

        Raises:
            Configuration: There is none, or it is damaged.
        """
        try:
            content = json.loads(path.read_text())
            return cls(
                PrincipalId(content["principal"]),
                Role(content["role"]),
                OwnerId(content["owner"]),
                bytes.fromhex(content["signing_key"]),
                bytes.fromhex(content["sealing_key"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Configuration(
                f"the operator's public keys in {path} cannot be read: copy them anew from the operator",
                code="anchor.damaged",
            ) from error

    @property
    def sealing(self) -> MLKEM768X25519PublicKey:
        """The key to seal for this principal with."""
        return sealing_key_from_bytes(self.sealing_key)


class Directory:
    """Principals by name, grown from ``principal.registered`` events that the operator signed.

    Args:
        anchor: The operator's public part: the one thing that must be known beforehand.
    """

    def __init__(self, anchor: Principal) -> None:
        self._current: dict[PrincipalId, Principal] = {anchor.principal: anchor}
        self._by_key: dict[tuple[PrincipalId, str], Principal] = {
            (anchor.principal, key_id(anchor.signing_key)): anchor
        }

    def __contains__(self, principal: PrincipalId) -> bool:
        return principal in self._current

    def __getitem__(self, principal: PrincipalId) -> Principal:
        """The current keys of ``principal``.

        Raises:
            NotFound: The operator never registered it.
        """
        try:
            return self._current[principal]
        except KeyError:
            raise NotFound(f"no principal {principal!r} is registered", code="principal.unknown") from None

    def with_role(self, role: Role) -> tuple[Principal, ...]:
        """All principals of a role, by name."""
        return tuple(p for _, p in sorted(self._current.items()) if p.role is role)

    def learn(self, body: PrincipalRegistered) -> None:
        """Take in a registration whose message was verified."""
        principal = Principal(body.principal, body.role, body.owner, body.signing_key, body.sealing_key)
        self._current[body.principal] = principal
        self._by_key[(body.principal, key_id(body.signing_key))] = principal

    def learn_from(self, other: Directory) -> None:
        """Take in everything that another directory knows."""
        self._current |= other._current
        self._by_key |= other._by_key

    def verify(self, message: Message) -> Envelope:
        """The envelope in ``message``, proved to be said by whom and where it claims.

        Raises:
            Invalid: Not an envelope, or its subject does not follow from its content.
            VersionUnknown: Written by a newer release.
            NotFound: The actor or its key is not registered (yet).
            Denied: The actor's role may not say this, or not in this owner's business.
            Integrity: The signature does not hold.
        """
        found = envelope.from_message(message)
        speaker = self._speaker(found)
        _check_signature(found, message, speaker)
        if speaker.role not in found.body.BY:
            raise Denied(f"{speaker.role} {found.actor!r} may not say {found.body.TYPE}", code="message.role")
        _check_subject(found, speaker)
        if isinstance(found.body, PrincipalRegistered):
            self.learn(found.body)
        return found

    def _speaker(self, found: Envelope) -> Principal:
        try:
            return self._by_key[(found.actor, found.key_id)]
        except KeyError:
            raise NotFound(
                f"key {found.key_id[:32]!r} of {found.actor[:64]!r} is not registered", code="principal.unknown"
            ) from None


def sign(envelope_: Envelope, identity: Identity) -> Message:
    """``envelope_`` signed by ``identity``, ready for the wire."""
    named = envelope.with_key(envelope_, key_id(identity.signing_public))
    return envelope.to_message(
        envelope.signed(named, identity.signing.sign(envelope.signing_bytes(envelope.to_message(named))))
    )


def _check_signature(found: Envelope, message: Message, speaker: Principal) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(speaker.signing_key).verify(found.signature, envelope.signing_bytes(message))
    except InvalidSignature:
        raise Integrity(
            f"the signature of {found.actor!r} on {message.subject!r} does not hold", code="message.signature"
        ) from None


def _check_subject(found: Envelope, speaker: Principal) -> None:
    """The subject must follow from the body and the actor, and the owner must be one that the actor may serve."""
    body = found.body
    owner = found.subject.split(".")[1] if isinstance(body, Event) or found.subject.startswith("tel.") else FEDERATION
    if found.subject != subjects.of(body, owner=owner, actor=found.actor):
        raise Invalid(f"{body.TYPE} does not belong on {found.subject!r}", code="message.subject")
    if speaker.role is Role.VENDOR and owner != speaker.owner:
        raise Denied(f"vendor {found.actor!r} has no business with owner {owner!r}", code="message.owner")
    if isinstance(body, Event | Command) and found.id != envelope.message_id(found.subject):
        raise Invalid(f"the id of {found.subject!r} does not follow from its subject", code="message.id")
