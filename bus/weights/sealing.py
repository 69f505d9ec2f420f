"""The seal: authenticated encryption of a body, chunk by chunk, for named recipients.

- Body: AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar: "Online Authenticated-
  Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015). The nonce of chunk k is 7 zero bytes, k as 4
  big-endian bytes, and a last byte that is 1 for the final chunk. The associated data bind the object's address
  (so owner, speaker, experiment, cycle), its size and its chunk size. Cutting, reordering, truncating or moving a
  chunk to another object therefore fails to open.
- Keys: every object has its own file key, derived with HKDF-SHA-256 (RFC 5869) from a secret of the sealing
  principal, the address, and a context that differs whenever the plaintext may differ (``docs/decisions/0006``).
  Deriving instead of drawing lets a process that was killed while sending seal the same bytes again.
- Recipients: the file key is wrapped with HPKE (RFC 9180) under ML-KEM-768 + X25519, HKDF-SHA-256, AES-256-GCM,
  so that what is recorded today stays closed to tomorrow's quantum computers.
"""

from __future__ import annotations

from typing import Final

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bus.errors import Integrity
from bus.events.weights import SealedObject
from bus.identity.keys import Identity, SealingKey

CHUNK_BYTES: Final = 512 * 1024
"""Plaintext bytes per chunk: with its tag and headers well under the broker's limit of 1 MiB."""
TAG_BYTES: Final = 16
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def file_key(identity: Identity, address: str, context: bytes) -> bytes:
    """The key with which ``identity`` seals one object, 32 bytes.

    Args:
        identity: Who seals.
        address: Of the object.
        context: Differs whenever the plaintext may differ: its digest, or the digests of all it is computed from.
    """
    info: bytes = msgpack.packb(["muster file key v1", address, context])
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(identity.derivation)


class Seal:
    """Seals and opens the chunks of one object.

    Args:
        key: The file key.
        address: Of the object.
        size_bytes: Of the whole plaintext.
        chunk_bytes: Plaintext bytes per chunk.
        frames: Whether frames of an encoded update are in the places of chunks, of whatever length; their decoder
            checks what they hold.
    """

    def __init__(
        self, key: bytes, address: str, size_bytes: int, chunk_bytes: int = CHUNK_BYTES, *, frames: bool = False
    ) -> None:
        self._cipher = AESGCM(key)
        self._address = address
        self._bound: bytes = msgpack.packb(["muster chunk v1", address, size_bytes, chunk_bytes])
        self._last = max(1, -(-size_bytes // chunk_bytes)) - 1
        self._chunk_bytes = chunk_bytes
        self._frames = frames
        self._last_bytes = size_bytes - self._last * chunk_bytes

    @classmethod
    def of(cls, key: bytes, sealed: SealedObject) -> Seal:
        """The seal of an object that is known."""
        return cls(key, sealed.address, sealed.size_bytes, sealed.chunk_bytes, frames=sealed.encoded is not None)

    def close(self, index: int, plaintext: bytes | memoryview) -> bytes:
        """Chunk ``index`` sealed: 16 bytes longer."""
        return self._cipher.encrypt(self._nonce(index), plaintext, self._bound)

    def open(self, index: int, sealed: bytes | bytearray | memoryview) -> bytes:
        """The plaintext of chunk ``index``.

        Raises:
            Integrity: Not the chunk that was sealed at this place of this object with this key, or not as long as all
                chunks of such an object: who sealed it may not cut it otherwise either.
        """
        expected = (self._last_bytes if index == self._last else self._chunk_bytes) + TAG_BYTES
        if len(sealed) != expected and not self._frames:
            raise self._broken(index, f"cut or filled up to {len(sealed)} bytes, and had {expected}")
        try:
            return self._cipher.decrypt(self._nonce(index), sealed, self._bound)
        except InvalidTag:
            raise self._broken(index, "changed, cut, moved or sealed otherwise") from None

    def _broken(self, index: int, why: str) -> Integrity:
        return Integrity(
            f"chunk {index} of {self._address!r} does not open: it was {why}", code="seal.broken", chunk=index
        )

    def _nonce(self, index: int) -> bytes:
        return bytes(7) + index.to_bytes(4, "big") + (b"\x01" if index == self._last else b"\x00")


def wrap_key(key: bytes, recipient: str, public: MLKEM768X25519PublicKey, address: str) -> bytes:
    """The file key of the object at ``address``, for one recipient."""
    return _SUITE.encrypt(key, public, info=_info(recipient, address))


def unwrap_key(wrapped: bytes, recipient: str, private: SealingKey, address: str) -> bytes:
    """The file key that was wrapped for ``recipient``.

    Raises:
        Integrity: Wrapped for somebody else, for another object, or changed.
    """
    try:
        return _SUITE.decrypt(wrapped, private.private, info=_info(recipient, address))
    except (InvalidTag, ValueError):
        raise Integrity(
            f"the key of {address!r} does not open for {recipient!r}: wrong key or wrong object", code="seal.key"
        ) from None


def _info(recipient: str, address: str) -> bytes:
    info: bytes = msgpack.packb(["muster key v1", recipient, address])
    return info
