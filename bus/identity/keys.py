"""Key material of one principal, and its files."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import nkeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from bus.errors import Configuration, Invalid
from bus.events.base import OwnerId, PrincipalId, Role

_MLKEM_PUBLIC_BYTES: Final = 1184
_X25519_PUBLIC_BYTES: Final = 32
_FILE: Final = "identity.json"


def key_id(signing_key: bytes) -> str:
    """Short name of an Ed25519 public key: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(signing_key).hexdigest()[:16]


def sealing_key_from_bytes(data: bytes) -> MLKEM768X25519PublicKey:
    """The public HPKE key in ``data`` (ML-KEM-768 key, then X25519 key).

    Raises:
        Invalid: Wrong length.
    """
    if len(data) != _MLKEM_PUBLIC_BYTES + _X25519_PUBLIC_BYTES:
        raise Invalid(f"a sealing key has 1216 bytes, this one {len(data)}", code="key.length")
    kem, curve = data[:_MLKEM_PUBLIC_BYTES], data[_MLKEM_PUBLIC_BYTES:]
    return MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(kem), X25519PublicKey.from_public_bytes(curve))


@dataclass(frozen=True)
class SealingKey:
    """Private half of the hybrid HPKE key pair (ML-KEM-768 + X25519)."""

    kem: MLKEM768PrivateKey = field(repr=False)
    curve: X25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """A fresh key pair."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @property
    def private(self) -> MLKEM768X25519PrivateKey:
        """As HPKE takes it."""
        return MLKEM768X25519PrivateKey(self.kem, self.curve)

    @property
    def public_bytes(self) -> bytes:
        """The public half: 1184 + 32 bytes."""
        return self.kem.public_key().public_bytes_raw() + self.curve.public_key().public_bytes_raw()


@dataclass(frozen=True)
class Identity:
    """All that one principal needs to prove who it is.

    Attributes:
        principal: Its name.
        role: What it is.
        owner: Tenant that it belongs to.
        signing: Signs its messages.
        sealing: Opens what is sealed for it.
        nkey_seed: Answers the broker's challenge; NATS nkey seed, ``SU...``.
        derivation: Secret from which this principal derives the keys of what it seals, 32 bytes.
    """

    principal: PrincipalId
    role: Role
    owner: OwnerId
    signing: Ed25519PrivateKey = field(repr=False)
    sealing: SealingKey = field(repr=False)
    nkey_seed: bytes = field(repr=False)
    derivation: bytes = field(repr=False)

    @classmethod
    def generate(cls, principal: PrincipalId, role: Role, owner: OwnerId) -> Self:
        """Fresh keys for ``principal``."""
        seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
        return cls(
            principal, role, owner, Ed25519PrivateKey.generate(), SealingKey.generate(), bytes(seed), os.urandom(32)
        )

    @property
    def signing_public(self) -> bytes:
        """Ed25519 public key, 32 bytes."""
        return self.signing.public_key().public_bytes_raw()

    @property
    def nkey_public(self) -> str:
        """The nkey that the broker knows this principal by, ``U...``."""
        public: bytes = nkeys.from_seed(self.nkey_seed).public_key
        return public.decode()

    def save(self, directory: Path) -> None:
        """Write the keys to ``directory``, readable for this user alone."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {
            "principal": self.principal,
            "role": self.role.value,
            "owner": self.owner,
            "signing": self.signing.private_bytes_raw().hex(),
            "sealing_mlkem768": self.sealing.kem.private_bytes_raw().hex(),
            "sealing_x25519": self.sealing.curve.private_bytes_raw().hex(),
            "nkey": self.nkey_seed.decode(),
            "derivation": self.derivation.hex(),
        }
        temporary = directory / f".{_FILE}.new"
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(directory / _FILE)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The identity saved in ``directory``.

        Raises:
            Configuration: There is none, or it is damaged.
        """
        path = directory / _FILE
        try:
            content = json.loads(path.read_text())
            return cls(
                PrincipalId(content["principal"]),
                Role(content["role"]),
                OwnerId(content["owner"]),
                Ed25519PrivateKey.from_private_bytes(bytes.fromhex(content["signing"])),
                SealingKey(
                    MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(content["sealing_mlkem768"])),
                    X25519PrivateKey.from_private_bytes(bytes.fromhex(content["sealing_x25519"])),
                ),
                content["nkey"].encode(),
                bytes.fromhex(content["derivation"]),
            )
        except FileNotFoundError:
            raise Configuration(
                f"no identity in {directory}: expected {_FILE}; was this federation set up?", code="identity.missing"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Configuration(
                f"the identity in {path} cannot be read: restore it from a copy", code="identity.damaged"
            ) from error
