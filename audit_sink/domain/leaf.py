"""The bytes of a leaf: one stored message of the bus, in one form only.

Specification, version 1. All integers are unsigned and big-endian, all texts UTF-8, ``||`` joins::

    leaf    = "muster-leaf-v1" || 0x00
              || sequence (8 bytes)
              || field(subject)
              || number of headers (4 bytes) || field(name) || field(value) || ...
              || length of data (8 bytes) || data
    field x = length of x in bytes (4 bytes) || x

Headers are those of the publisher: names that begin with ``ce-`` or equal ``traceparent`` or ``content-type``, in
any case of letters. The others are the broker's and may differ between its replicas and versions. They are sorted
by the bytes of their names, and written as they are, with their case.

Every field's length is known before its bytes, and their number and order are fixed: from a leaf its message can be
read back in one way only, so that two messages never have the same leaf. The tree's own prefix (RFC 9162) keeps
leaves and nodes apart; the name in front keeps these leaves apart from any other data that is hashed or signed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from bus.errors import Invalid

DOMAIN: Final = b"muster-leaf-v1\x00"
_PREFIX: Final = "ce-"
_NAMES: Final = frozenset({"traceparent", "content-type"})
_SEQUENCE: Final = struct.Struct(">Q")
_COUNT: Final = struct.Struct(">I")
_MAX_SEQUENCE: Final = 2**64 - 1


def leaf_bytes(sequence: int, subject: str, headers: Mapping[str, str], data: bytes) -> bytes:
    """The canonical encoding of a stored message; see the module's specification.

    Args:
        sequence: Position in the stream, from 1.
        subject: As published.
        headers: All of them; those of the broker are left out here.
        data: The body.

    Raises:
        Invalid: The sequence is out of range, or a text is not Unicode.
    """
    if not 1 <= sequence <= _MAX_SEQUENCE:
        raise Invalid(f"sequence is {sequence}, expected 1 to 2**64 - 1", code="leaf.sequence")
    kept = sorted((_encoded(name), _encoded(value)) for name, value in headers.items() if is_covered(name))
    fields = [_field(part) for header in kept for part in header]
    return b"".join(
        (
            DOMAIN,
            _SEQUENCE.pack(sequence),
            _field(_encoded(subject)),
            _COUNT.pack(len(kept)),
            *fields,
            _SEQUENCE.pack(len(data)),
            data,
        )
    )


def is_covered(name: str) -> bool:
    """Whether a header of this name is part of the leaf."""
    lower = name.lower()
    return lower.startswith(_PREFIX) or lower in _NAMES


def _field(content: bytes) -> bytes:
    return _COUNT.pack(len(content)) + content


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("a subject or header cannot be encoded as UTF-8", code="leaf.text") from error
