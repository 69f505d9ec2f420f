"""Whole bodies through the codecs, chunk by chunk, without files and stores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bus.events.weights import Encoding
from bus.weights.encoding.draws import Philox
from bus.weights.encoding.frames import Residual, decode, encode
from bus.weights.encoding.places import Places

CHUNK = 1024


def chunks(body: bytes, size: int = CHUNK) -> list[bytes]:
    return [body[begin : begin + size] for begin in range(0, len(body), size)]


def encoded(
    encoding: Encoding,
    model: bytes,
    trained: bytes,
    left: list[Residual] | None = None,
    *,
    cycle: int = 1,
    size: int = CHUNK,
    seed: int = 0,
) -> tuple[list[bytes], list[Residual]]:
    """Frames, and what was left out, by chunk."""
    places, frames, rest = Places(), [], []
    for index, (old, new) in enumerate(zip(chunks(model, size), chunks(trained, size), strict=True)):
        place = places.take(old)
        before = None
        if encoding.error_feedback:
            count = sum((s.end - s.begin) // s.tensor.dtype.itemsize for s in place.segments)
            before = np.zeros(count, np.float32) if left is None else left[index]
        frame = encode(encoding, place, old, new, before, Philox(seed, "hospital-a", cycle, index))
        frames.append(frame.data)
        rest.append(frame.residual)
    return frames, rest


def decoded(encoding: Encoding, model: bytes, frames: list[bytes], size: int = CHUNK) -> bytes:
    """The body that the frames stand for."""
    return b"".join(_decoded(encoding, model, frames, size))


def _decoded(encoding: Encoding, model: bytes, frames: list[bytes], size: int) -> Iterator[bytes]:
    places = Places()
    for old, frame in zip(chunks(model, size), frames, strict=True):
        yield decode(encoding, places.take(old), old, frame)
