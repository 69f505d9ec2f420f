"""Differences in fewer bits.

==========  ====================================================================================================
exact       no rounding: the pattern of the new element, exclusive or that of the old one
float16     IEEE 754 binary16, to nearest
bfloat16    the upper half of a float32, to nearest
int8        blocks of 1024 with a float32 scale each, the least with ``127 scale >= max |x|``; an element is the
            whole number above or below ``x / scale``, each with the chance that makes the mean right
            (stochastic rounding; Alistarh et al., "QSGD", NeurIPS 2017, section 3, with levels of equal width)
==========  ====================================================================================================
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bus.errors import Invalid
from bus.events.weights import BFLOAT16, FLOAT16, INT8
from bus.weights.encoding.floats import BF16, F16, Doubles, Float
from bus.weights.encoding.reading import Reader, refuse, shuffled

BLOCK: Final = 1024
"""Elements that share a scale: four bytes for them are 0.4 per cent."""
_LEVELS: Final = 127
_SCALE: Final = np.dtype("<f4")
_LEVEL: Final = np.dtype("i1")
_HALVES: Final = {FLOAT16: F16, BFLOAT16: BF16}


class Draws(Protocol):
    """Random numbers."""

    def draw(self, count: int) -> NDArray[np.uint32]:
        """The next ones, evenly distributed over 32 bits."""
        ...


def size_bytes(values: str, count: int) -> int:
    """Bytes that ``count`` differences are written in; for rounded values only."""
    return 2 * count if values in _HALVES else count + _SCALE.itemsize * _blocks(count)


def write(values: str, wanted: Doubles, draws: Draws, *, shuffle: bool) -> tuple[bytes, Doubles]:
    """Differences in the form of ``values``, and what will be read from it.

    Args:
        values: ``float16``, ``bfloat16`` or ``int8``.
        wanted: The differences, finite.
        draws: Decide how ``int8`` rounds.
        shuffle: Whether bytes are put in an order that compresses better.

    Raises:
        Invalid: A difference is too large for the form.
    """
    if values in _HALVES:
        form = _HALVES[values]
        return _halves(values, wanted, form, shuffle=shuffle)
    scales = _scales(wanted)
    steps = np.repeat(scales, BLOCK)[: wanted.size].astype(np.float64)
    with np.errstate(invalid="ignore"):
        exact = np.where(steps > 0, wanted / steps, 0.0)
    below = np.floor(exact)
    chance = (exact - below) * 2.0**32
    levels = below + (draws.draw(wanted.size) < chance)
    return scales.tobytes() + levels.astype(_LEVEL).tobytes(), levels * steps


def read(values: str, reader: Reader, count: int, *, shuffle: bool) -> Doubles:
    """The ``count`` differences that were written.

    Raises:
        Integrity: They were not written by ``write``.
    """
    if values in _HALVES:
        form = _HALVES[values]
        stored = reader.array(form.storage, count, shuffled=shuffle)
        found = form.widen(stored)
        if not np.isfinite(found).all():
            refuse("a difference is not finite")
        return found
    scales = reader.array(_SCALE, _blocks(count))
    # A comparison with NaN is false.
    if not ((scales >= 0) & (scales < np.inf)).all():
        refuse("a scale is negative or not finite")
    levels = reader.array(_LEVEL, count)
    if count and int(levels.min()) < -_LEVELS:
        refuse(f"a level is below -{_LEVELS}")
    return levels * np.repeat(scales, BLOCK)[:count].astype(np.float64)


def _halves(values: str, wanted: Doubles, form: Float, *, shuffle: bool) -> tuple[bytes, Doubles]:
    worst = float(np.abs(wanted).max(initial=0.0))
    if worst > form.largest:
        other = BFLOAT16 if values == FLOAT16 else "exact"
        raise Invalid(
            f"an element changed by {worst:.6g}, and {values} holds at most {form.largest:.6g}: ask for {other} "
            "values, or lower the learning rate",
            code="encoding.range",
        )
    stored = form.nearest(wanted)
    return shuffled(stored) if shuffle else stored.tobytes(), form.widen(stored)


def _scales(wanted: Doubles) -> NDArray[np.float32]:
    """Of each block the least float32 with ``127 scale >= max |x|``: no level is beyond 127."""
    padded = np.zeros(_blocks(wanted.size) * BLOCK)
    np.abs(wanted, out=padded[: wanted.size])
    greatest = padded.reshape(-1, BLOCK).max(axis=1, initial=0.0)
    with np.errstate(over="ignore", under="ignore"):
        scales: NDArray[np.float32] = (greatest / _LEVELS).astype(_SCALE)
    short = scales.astype(np.float64) * _LEVELS < greatest
    scales[short] = np.nextafter(scales[short], np.float32(np.inf))
    if not np.isfinite(scales).all():
        raise Invalid(
            f"an element changed by {float(greatest.max()):.6g}, which is too much for {INT8} values: ask for exact "
            "values, or lower the learning rate",
            code="encoding.range",
        )
    return scales


def _blocks(count: int) -> int:
    return -(-count // BLOCK)
