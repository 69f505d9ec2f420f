"""Looking for numbers that are not finite in a safetensors file, a few megabytes at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_PIECE_BYTES: Final = 4 * 1024 * 1024
_PREFIX_BYTES: Final = 8


class _Format(NamedTuple):
    pattern: str
    """Integers of the same size, as NumPy writes their type."""
    exponent: int
    """Its bits are all set in infinities and NaNs, and in nothing else (IEEE 754)."""


_FLOATS: Final[Mapping[str, _Format]] = {
    "F64": _Format("<u8", 0x7FF0_0000_0000_0000),
    "F32": _Format("<u4", 0x7F80_0000),
    "F16": _Format("<u2", 0x7C00),
    "BF16": _Format("<u2", 0x7F80),
}


def not_finite(path: Path) -> Iterator[tuple[str, int]]:
    """Tensors with numbers that are not finite, and how many, in the order of the file.

    Args:
        path: A safetensors file whose header was found sound.
    """
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(_PREFIX_BYTES), "little")
        header: dict[str, Any] = json.loads(file.read(header_bytes))
        tensors = {name: entry for name, entry in header.items() if entry.get("dtype") in _FLOATS}
        for name, entry in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            file.seek(_PREFIX_BYTES + header_bytes + begin)
            form, count = _FLOATS[entry["dtype"]], 0
            for at in range(begin, end, _PIECE_BYTES):
                count += _count(np.frombuffer(file.read(min(_PIECE_BYTES, end - at)), form.pattern), form.exponent)
            if count:
                yield name, count


def _count(bits: NDArray[Any], exponent: int) -> int:
    return int(np.count_nonzero((bits & bits.dtype.type(exponent)) == exponent))
