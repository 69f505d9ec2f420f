"""A frame around its content: a version, and perhaps compression.

::

    1 byte    version of everything in ``bus.weights.encoding``: 1
    1 byte    0: the content follows as it is; 1: it follows as one Zstandard frame (RFC 8878) that names its size
    the rest  the content
"""

from __future__ import annotations

from typing import Final

import zstandard

from bus.events.weights import ZSTD
from bus.weights.encoding.reading import refuse

VERSION: Final = 1
_AS_IT_IS: Final = 0
_ZSTD: Final = 1
_HEAD_BYTES: Final = 2
_LEVEL: Final = 1
"""Measured on differences of float32: level 6 takes up to twice the time for half a per cent at most."""


def pack(content: bytes, compression: str) -> bytes:
    """A frame."""
    if compression == ZSTD:
        smaller = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
        if len(smaller) < len(content):
            return bytes([VERSION, _ZSTD]) + smaller
    return bytes([VERSION, _AS_IT_IS]) + content


def unpack(frame: bytes, compression: str, most_bytes: int) -> bytes:
    """The content of a frame, which has at most ``most_bytes``.

    Raises:
        Integrity: It has more, is damaged, of another version, or compressed though nothing is said of it.
    """
    if len(frame) < _HEAD_BYTES:
        refuse(f"it has {len(frame)} bytes, and needs {_HEAD_BYTES} at least")
    version, how = frame[:_HEAD_BYTES]
    if version != VERSION:
        refuse(f"it is of version {version}, and this release reads version {VERSION}")
    if how == _AS_IT_IS:
        return frame[_HEAD_BYTES:]
    if how != _ZSTD or compression != ZSTD:
        refuse(f"it is compressed in the way {how}, which is not what was said")
    return _unpacked(frame[_HEAD_BYTES:], most_bytes)


def _unpacked(packed: bytes, most_bytes: int) -> bytes:
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= most_bytes:
            refuse(f"it would have {size} bytes once decompressed, and can have {most_bytes} at most")
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=most_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        refuse(f"it cannot be decompressed ({error})")
