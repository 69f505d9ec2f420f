"""What must come of echo training, in exact arithmetic, and how near a system comes to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.echo import workload

_UNIT: Final = 149
"""Every finite float32 is a whole multiple of 2 to the power of minus this."""
Float32s = NDArray[np.float32]


@dataclass(frozen=True)
class Nearness:
    """A final model against the exact one.

    Attributes:
        equal_share: Of the numbers that are right to the last bit.
        ulps: The largest difference, in units in the last place of the largest number.
    """

    equal_share: float
    ulps: float


def nearness(found: Float32s, megabytes: float, edges: int, rounds: int, seed: int) -> Nearness:
    """How near ``found``, the numbers at ``workload.places``, is.

    Raises:
        ValueError: It is something else.
    """
    wanted = expected(megabytes, edges, rounds, seed)
    if found.shape != wanted.shape or found.dtype != np.float32:
        raise ValueError(f"expected {wanted.shape} float32, got {found.shape} {found.dtype}")
    difference = np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max()
    return Nearness(float((found == wanted).mean()), float(difference / np.spacing(np.abs(wanted).max())))


def expected(megabytes: float, edges: int, rounds: int, seed: int) -> Float32s:
    """The numbers at ``workload.places`` after ``rounds``: in each, the exact weighted mean, rounded once."""
    weights = [workload.examples(edge) for edge in range(edges)]
    now = _first(megabytes, seed)
    for _ in range(rounds):
        total = sum(
            _units(now + workload.step(edge)) * weight for edge, weight in enumerate(weights)
        )  # whole numbers of any size: nothing is lost
        now = np.array([_nearest(int(each), sum(weights)) for each in np.atleast_1d(total)], np.float32)
    return now


def _first(megabytes: float, seed: int) -> Float32s:
    total = workload.count(megabytes)
    places, parts, at = workload.places(total), [], 0
    for block in workload.first(total, seed):
        parts.append(block[places[(places >= at) & (places < at + block.size)] - at])
        at += block.size
    return np.concatenate(parts)


def _units(values: Float32s) -> NDArray[np.object_]:
    """``values`` as whole multiples of the unit, in Python's integers."""
    fractions, exponents = np.frexp(values)
    whole = (fractions * 2.0**24).astype(np.int64)
    return np.array([int(w) << (int(e) - 24 + _UNIT) for w, e in zip(whole, exponents, strict=True)], object)


def _nearest(numerator: int, denominator: int) -> np.float32:
    """The float32 nearest to so many units; of two, the one whose last bit is 0 (IEEE 754)."""
    guess = np.float32(math.ldexp(numerator / denominator, -_UNIT))
    around: Sequence[np.float32] = (guess, *(np.nextafter(guess, np.float32(side)) for side in (-np.inf, np.inf)))

    def distance(value: np.float32) -> tuple[int, int]:
        (units,) = _units(np.array([value], np.float32))
        return abs(int(units) * denominator - numerator), int(value.view(np.uint32)) & 1

    return min(around, key=distance)
