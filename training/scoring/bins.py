"""Histograms of what cannot be added up otherwise: the ranks of rows, and the sizes of errors.

The bin of a number comes of ``frexp`` alone, so that all machines agree on it, and is finer the closer the number is to
an end. Nothing of a row leaves but that it is one of those in its bin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.scoring.tallies import MAX_BINS, Bins

_OCTAVES: Final = 16
"""Octaves on either side of the middle; what lies beyond falls into the last bin."""
_ZERO: Final = -(2**17)
"""Place of an error that is 0: below all others."""
_PARTS: Final = 128
"""Bins of an octave of errors."""
_CELLS: Final = 2048
_FEWEST: Final = 64


def bins_for(classes: int) -> int | None:
    """How many bins each class's ranks are counted in: so many that all of them fit into an event.

    Returns:
        A power of two; ``None`` if there are too many classes for it to tell anything.
    """
    count = _CELLS if classes == 2 else _CELLS >> (classes - 1).bit_length()
    return count if count >= _FEWEST else None


def by_probability(values: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin of each probability: shape as ``values``; half of them below 1/2.

    A bin is a part of an octave of the probability or, from 1/2 on, of its difference to 1.
    """
    upper = values >= 0.5
    near = np.where(upper, 1.0 - values, values)
    rank = _rank(near, bins // 2, top=-1)
    return np.where(upper, bins - 1 - rank, rank)


def by_decision(values: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin of each decision value, which can be any number: half of them for those below 0."""
    rank = _rank(np.abs(values), bins // 2, top=_OCTAVES // 2)
    return np.where(values < 0, bins // 2 - 1 - rank, bins // 2 + rank)


def counted(places: NDArray[np.int64]) -> Bins:
    """A histogram of places."""
    found, counts = np.unique(places, return_counts=True)
    return Bins(places=tuple(found.tolist()), counts=tuple(counts.tolist()))


def sizes(errors: NDArray[np.float64]) -> Bins | None:
    """A histogram of errors without sign; ``None`` if they spread over too many bins to be sent."""
    fraction, exponent = np.frexp(errors)
    part = ((fraction - 0.5) * (2 * _PARTS)).astype(np.int64)
    places = np.where(errors == 0, _ZERO, exponent.astype(np.int64) * _PARTS + part)
    return counted(places) if len(np.unique(places)) <= MAX_BINS else None


def _rank(values: NDArray[np.float64], bins: int, top: int) -> NDArray[np.int64]:
    """Which of ``bins`` parts of the ``_OCTAVES`` octaves up to ``2**top`` each value is in, the least first."""
    parts = bins // _OCTAVES
    fraction, exponent = np.frexp(values)
    part = ((fraction - 0.5) * (2 * parts)).astype(np.int64)
    rank = (exponent.astype(np.int64) - top + _OCTAVES - 1) * parts + part
    return np.clip(np.where(values == 0, 0, rank), 0, bins - 1)
