"""Signed notes: text with signature lines (C2SP signed-note, https://c2sp.org/signed-note).

Only Ed25519 signatures, type 0x01. A note is its text, which ends in a newline, an empty line, and one line
``— <key name> base64(<key id> || <signature>)`` for each signature. Lines of keys that the reader does not know are
ignored, so that witnesses can add theirs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bus.errors import Integrity, Invalid

MAX_SIGNATURES: Final = 64
"""Signature lines that are read; the specification asks for at least 16."""
KEY_ID_BYTES: Final = 4
_ED25519: Final = b"\x01"
_DASH: Final = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note.

    Attributes:
        name: Key name.
        key_id: 4 bytes.
        signature: Whatever the key's algorithm makes.
    """

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line, without its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode('ascii')}"


def key_id(name: str, key: Ed25519PublicKey) -> bytes:
    """``SHA-256(name || 0x0A || 0x01 || public key)[:4]`` (signed-note, "Ed25519 signatures").

    Raises:
        Invalid: The name is empty or contains spaces or plus signs.
    """
    _check_name(name)
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:KEY_ID_BYTES]


def sign(text: str, key: Ed25519PrivateKey, name: str) -> str:
    """The note of ``text`` with one signature.

    Args:
        text: Ends in a newline.
        key: Signs the text's UTF-8 bytes.
        name: Key name.

    Raises:
        Invalid: Text or name are not allowed in a note.
    """
    if not text.endswith("\n"):
        raise Invalid("the text of a note must end in a newline", code="note.text")
    line = SignatureLine(name, key_id(name, key.public_key()), key.sign(_encoded(text)))
    return f"{text}\n{line}\n"


def parse(note: str) -> tuple[str, list[SignatureLine]]:
    """Take a note apart, without verifying anything.

    Returns:
        The text with its final newline, and the signature lines.

    Raises:
        Invalid: It is not a note; the message says why.
    """
    _encoded(note)
    if not note.endswith("\n"):
        raise Invalid("the note does not end in a newline; it was cut", code="note.form")
    text, gap, lines = note[:-1].rpartition("\n\n")
    if not gap or not text:
        raise Invalid("the note has no empty line between text and signatures", code="note.form")
    signatures = lines.split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise Invalid(f"the note has {len(signatures)} signatures, at most {MAX_SIGNATURES} are read", code="note.form")
    return text + "\n", [_parse_line(line) for line in signatures]


def verify(note: str, key: Ed25519PublicKey, name: str) -> str:
    """The text of a note that ``key`` has signed as ``name``.

    Raises:
        Invalid: It is not a note.
        Integrity: It has no signature of this key, or a wrong one.
    """
    text, lines = parse(note)
    known = [line for line in lines if (line.name, line.key_id) == (name, key_id(name, key))]
    if not known:
        signers = ", ".join(sorted({line.name for line in lines}))
        raise Integrity(f"the note is not signed by this key of {name!r}; signed by: {signers}", code="note.unsigned")
    for line in known:
        try:
            key.verify(line.signature, _encoded(text))
        except InvalidSignature as error:
            raise Integrity(f"the signature of {name!r} does not fit the note's text", code="note.signature") from error
    return text


def _parse_line(line: str) -> SignatureLine:
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not gap:
        raise Invalid(f"signature line {line!r} is not '{_DASH}name base64'", code="note.form")
    _check_name(name)
    content = decode_base64(encoded, f"signature of {name!r}")
    if len(content) <= KEY_ID_BYTES:
        raise Invalid(f"signature of {name!r} has {len(content)} bytes, expected more than 4", code="note.form")
    return SignatureLine(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def decode_base64(text: str, what: str) -> bytes:
    """Decode standard base64 (RFC 4648, section 4), of which only the canonical form is accepted.

    Raises:
        Invalid: It is not; the message names ``what``.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"{what} is not base64", code="note.base64") from error
    if base64.b64encode(content).decode("ascii") != text:
        raise Invalid(f"{what} is base64 with stray bits", code="note.base64")
    return content


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise Invalid(f"key name {name!r} is empty or contains spaces or plus signs", code="note.name")
    _encoded(name)


def _encoded(text: str) -> bytes:
    if any(character < " " and character != "\n" for character in text):
        raise Invalid("a note contains no control characters but newlines", code="note.text")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("a note is UTF-8; this text cannot be encoded", code="note.text") from error
