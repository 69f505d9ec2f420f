"""One chunk of an update as the difference to the same chunk of the global model, and back.

The content of a frame is first what travels byte for byte, one piece behind the other, then each run of elements:
the positions of those that are sent, unless all are (``sparse``), and what they are (``values``).

What an element becomes is defined once, in ``_moved``: the old one plus the decoded difference in float64, rounded to
nearest in its type, at most the largest finite number of that. Edge and aggregator both come by it there. An element
that is not sent stays what it was, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bus.errors import Invalid
from bus.events.weights import EXACT, ZSTD, Encoding
from bus.weights.encoding import packing, sparse, values
from bus.weights.encoding.floats import FLOATS, Doubles, Float, Stored
from bus.weights.encoding.places import Place
from bus.weights.encoding.reading import Reader, shuffled
from bus.weights.layout import Segment

Residual = NDArray[np.float32]
"""What was left out so far, per element of a chunk's runs, one run behind the other."""


@dataclass(frozen=True)
class Frame:
    """A chunk that was encoded.

    Attributes:
        data: The frame.
        residual: What is left out now; empty if that is not asked for.
    """

    data: bytes
    residual: Residual


def encode(
    encoding: Encoding, place: Place, model: bytes, trained: bytes, left: Residual | None, draws: values.Draws
) -> Frame:
    """A chunk as a frame.

    Args:
        encoding: How.
        place: What the chunk holds.
        model: The chunk of the global model.
        trained: The chunk of what was trained from it, finite numbers in the same layout.
        left: What was left out so far, zeros in the beginning; ``None`` if it is not fed back.
        draws: Decide how numbers are rounded.

    Raises:
        Invalid: A difference cannot be written in that way; the message names the tensor.
    """
    pieces = [trained[between] for between in place.between(len(trained))]
    rest, begin = [], 0
    for segment in place.segments:
        own = left[begin : (begin := begin + _count(segment))] if left is not None else None
        try:
            code, residual = _encode(encoding, segment, _run(segment, model), _run(segment, trained), own, draws)
        except Invalid as error:
            raise Invalid(f"tensor {segment.tensor.name[:80]!r}: {error.message}", code=error.code) from error
        pieces.append(code)
        rest.append(residual)
    together = np.concatenate(rest) if rest and left is not None else np.empty(0, np.float32)
    return Frame(packing.pack(b"".join(pieces), encoding.compression), together)


def decode(encoding: Encoding, place: Place, model: bytes, frame: bytes) -> bytes:
    """The chunk of an update.

    Args:
        encoding: What was said about the update.
        place: What the chunk holds.
        model: The chunk of the global model.
        frame: What lies in the store; may be anything.

    Raises:
        Integrity: No frame, or not one of this place and encoding.
    """
    shuffle = encoding.compression == ZSTD
    exact = place.between(len(model))
    most = sum(b.stop - b.start for b in exact) + sum(_most_bytes(encoding, s) for s in place.segments)
    reader = Reader(packing.unpack(frame, encoding.compression, most))
    out = bytearray(model)
    for between in exact:
        out[between] = reader.take(between.stop - between.start)
    for segment in place.segments:
        form, old = FLOATS[segment.tensor.dtype], _run(segment, model)
        positions = _positions(encoding, reader, old.size)
        before = old if positions is None else old[positions]
        if encoding.values == EXACT:
            new = _flipped(before, reader.array(form.pattern, before.size, shuffled=shuffle))
        else:
            new = _moved(form, before, values.read(encoding.values, reader, before.size, shuffle=shuffle))
        out[segment.begin : segment.end] = _placed(old, positions, new).tobytes()
    reader.end()
    return bytes(out)


def _encode(
    encoding: Encoding, segment: Segment, old: Stored, trained: Stored, left: Residual | None, draws: values.Draws
) -> tuple[bytes, Residual]:
    form, shuffle = FLOATS[segment.tensor.dtype], encoding.compression == ZSTD
    before, wanted = form.widen(old), form.widen(trained)
    with np.errstate(over="ignore"):
        wanted = wanted if left is None else wanted + left
        step = wanted - before
        count = sparse.sent(old.size, encoding.keep)
        positions = None if count == old.size else sparse.largest(np.abs(step), count)
        code = b"" if positions is None else sparse.write(positions, old.size)
        picked = slice(None) if positions is None else positions
        if encoding.values == EXACT:
            new = trained[picked] if left is None else form.nearest(wanted[picked])
            patterns = new.view(form.pattern) ^ old[picked].view(form.pattern)
            code += shuffled(patterns) if shuffle else patterns.tobytes()
        else:
            written, read = values.write(encoding.values, step[picked], draws, shuffle=shuffle)
            code += written
            new = _moved(form, old[picked], read)
    if left is None:
        return code, np.empty(0, np.float32)
    return code, _left(wanted, form.widen(_placed(old, positions, new)))


def _left(wanted: Doubles, decoded: Doubles) -> Residual:
    """What is not sent this time, to nearest in float32."""
    most = float(np.finfo(np.float32).max)
    with np.errstate(over="ignore"):
        return np.clip(wanted - decoded, -most, most).astype(np.float32)


def _moved(form: Float, old: Stored, step: Doubles) -> Stored:
    with np.errstate(over="ignore"):
        return form.nearest(form.widen(old) + step)


def _flipped(old: Stored, bits: Stored) -> Stored:
    new: Stored = (old.view(bits.dtype) ^ bits).view(old.dtype)
    return new


def _placed(old: Stored, positions: sparse.Positions | None, new: Stored) -> Stored:
    if positions is None:
        return new
    whole = old.copy()
    whole[positions] = new
    return whole


def _positions(encoding: Encoding, reader: Reader, count: int) -> sparse.Positions | None:
    expected = sparse.sent(count, encoding.keep)
    return None if expected == count else sparse.read(reader, count, expected)


def _most_bytes(encoding: Encoding, segment: Segment) -> int:
    count = _count(segment)
    kept = sparse.sent(count, encoding.keep)
    positions = 0 if kept == count else sparse.most_bytes(count)
    if encoding.values == EXACT:
        return positions + kept * segment.tensor.dtype.itemsize
    return positions + values.size_bytes(encoding.values, kept)


def _run(segment: Segment, chunk: bytes) -> Stored:
    return np.frombuffer(chunk, FLOATS[segment.tensor.dtype].storage, _count(segment), segment.begin)


def _count(segment: Segment) -> int:
    return (segment.end - segment.begin) // segment.tensor.dtype.itemsize
