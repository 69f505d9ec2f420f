"""Metrics of predicted numbers from the sums of all edges.

Moments are about a centre of each edge's own; they are brought to one centre in exact fractions, so that nothing
depends on the order of the edges, and large numbers that differ little lose nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final

from aggregator.domain.scoring.result import Found, Missing, middle, of_every, together
from bus.events.tallies import Moments, NumberTally, Tally

CONSTANT: Final = "the target does not vary in these rows"
_ZERO: Final = -(2**17)
"""Place of an error that is 0."""
_PARTS: Final = 128
"""Bins of an octave of errors, as edges count them."""
_ROUNDING: Final = Fraction(1, 2**50)
"""Numbers that differ by this share of themselves are equal, but for rounding."""


@dataclass(frozen=True)
class Spread:
    """Exact moments of all rows.

    Attributes:
        mean: Of the numbers.
        about_mean: Sum of the squared differences to it.
        about_zero: Sum of the squares.
        size: The largest centre, without sign.
    """

    mean: Fraction
    about_mean: Fraction
    about_zero: Fraction
    size: Fraction

    @classmethod
    def of(cls, parts: Sequence[tuple[int, Moments]]) -> Spread:
        """From the rows and moments of each edge.

        With the sum t and the squares s of the n differences to a centre c, those to m are
        ``s + 2 (c - m) t + n (c - m)^2``.
        """
        exact = [(n, Fraction(part.centre), Fraction(part.total), Fraction(part.squares)) for n, part in parts]
        count = sum(n for n, *_ in exact)
        mean = sum((n * centre + total for n, centre, total, _ in exact), Fraction(0)) / count
        size = max(abs(centre) for _, centre, _, _ in exact)
        return cls(mean, _squares(exact, mean), _squares(exact, Fraction(0)), size)


def _squares(exact: Sequence[tuple[int, Fraction, Fraction, Fraction]], about: Fraction) -> Fraction:
    terms = (s + 2 * (c - about) * t + n * (c - about) ** 2 for n, c, t, s in exact)
    # What is rounded is never below, but for what was made up.
    return max(sum(terms, Fraction(0)), Fraction(0))


@dataclass(frozen=True)
class Pooled:
    """Sums of all edges' rows."""

    tallies: Sequence[NumberTally]
    count: int
    truth: Spread
    error: Spread

    @classmethod
    def of(cls, tallies: Sequence[Tally]) -> Pooled:
        """The sums of ``tallies``, all of which are of numbers."""
        own = [(tally.count, tally.numbers) for tally in tallies if tally.numbers is not None]
        return cls(
            [numbers for _, numbers in own],
            sum(count for count, _ in own),
            Spread.of([(count, numbers.truth) for count, numbers in own]),
            Spread.of([(count, numbers.error) for count, numbers in own]),
        )

    @property
    def variation(self) -> Fraction:
        """Sum of the squared differences of the target to its mean.

        Raises:
            Missing: It does not vary.
        """
        if self.truth.about_mean <= self.count * (_ROUNDING * self.truth.size) ** 2:
            raise Missing(CONSTANT)
        return self.truth.about_mean


def _mse(pooled: Pooled) -> float:
    return _float(pooled.error.about_zero / pooled.count)


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise Missing("the value is not finite") from error


def _sums(name: str, pooled: Pooled) -> list[float]:
    """What each edge summed up.

    Raises:
        Unknown: One of them did not send it.
    """
    return of_every(getattr(tally, name) for tally in pooled.tallies)


def _row_mean(name: str, pooled: Pooled) -> Found:
    return Found(_float(sum(map(Fraction, _sums(name, pooled)), Fraction(0)) / pooled.count))


def _rmsle(pooled: Pooled) -> Found:
    return Found(math.sqrt(_row_mean("logarithms", pooled).value))


def _median(pooled: Pooled) -> Found:
    """The mean of the two middle errors, each of which is in a bin that is known."""
    counts = together(of_every(tally.sizes for tally in pooled.tallies))
    ends = [_ends(_place(counts, rank)) for rank in ((pooled.count - 1) // 2, pooled.count // 2)]
    return middle(*(math.fsum(side) / 2 for side in zip(*ends, strict=True)))


def _place(counts: Counter[int], rank: int) -> int:
    """The bin of the error that has ``rank`` smaller ones."""
    seen = 0
    for place in sorted(counts):
        seen += counts[place]
        if seen > rank:
            return place
    raise AssertionError("the bins hold all rows")


def _ends(place: int) -> tuple[float, float]:
    """The least and the greatest error of a bin."""
    if place <= _ZERO:
        return 0.0, 0.0
    octave, part = divmod(place, _PARTS)
    try:
        return tuple(math.ldexp(0.5 + step / (2 * _PARTS), octave) for step in (part, part + 1))  # type: ignore[return-value]
    except OverflowError as error:
        raise Missing("the value is not finite") from error


FORMULAS: Final[Mapping[str, Callable[[Pooled], Found]]] = {
    "rmse": lambda pooled: Found(math.sqrt(_mse(pooled))),
    "mse": lambda pooled: Found(_mse(pooled)),
    "mae": partial(_row_mean, "absolute"),
    "r2": lambda pooled: Found(_float(1 - pooled.error.about_zero / pooled.variation)),
    "explained_variance": lambda pooled: Found(_float(1 - pooled.error.about_mean / pooled.variation)),
    "mbe": lambda pooled: Found(_float(pooled.error.mean)),
    "medae": _median,
    "max_error": lambda pooled: Found(max(_sums("largest", pooled))),
    "mape": partial(_row_mean, "percentage"),
    "smape": partial(_row_mean, "symmetric"),
    "rmsle": _rmsle,
}
"""Metric -> what it is for all rows; each may raise ``Missing`` or ``Unknown``."""
