"""Tallies as workers write them, with all that must hold between their numbers: who reads them trusts nothing.

The same as ``bus.events.tallies``, where the fields are explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_CLASSES: Final = 1000
MAX_CONFUSION: Final = 100
"""Classes up to which the whole matrix is sent."""
MAX_BINS: Final = 4096
_FURTHEST: Final = 2**17
_SLACK: Final = 1.0 + 1e-9
"""What the rounding of a sum may make of it."""

_Count = Annotated[int, Field(ge=0, le=2**53)]
_Counts = Annotated[tuple[_Count, ...], Field(max_length=MAX_CLASSES)]
_Float = Annotated[float, Field(allow_inf_nan=False)]
_Sum = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Word = Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _require(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(what)


class Bins(_Strict):
    """See ``bus.events.tallies.Bins``."""

    places: Annotated[tuple[Annotated[int, Field(ge=-_FURTHEST, le=_FURTHEST)], ...], Field(max_length=MAX_BINS)] = ()
    counts: Annotated[tuple[Annotated[int, Field(ge=1, le=2**53)], ...], Field(max_length=MAX_BINS)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _require(len(self.places) == len(self.counts), "there are not as many counts as bins")
        _require(all(one < other for one, other in pairwise(self.places)), "the bins are not in order")
        return self


class Ranking(_Strict):
    """See ``bus.events.tallies.Ranking``."""

    positives: Bins
    negatives: Bins


class ClassTally(_Strict):
    """See ``bus.events.tallies.ClassTally``."""

    actual: _Counts
    predicted: _Counts
    hits: _Counts
    squared_distance: _Count
    confusion: Annotated[tuple[_Counts, ...], Field(max_length=MAX_CONFUSION)] | None = None
    log_loss: _Sum | None = None
    brier: _Sum | None = None
    top_3: _Count | None = None
    top_5: _Count | None = None
    rankings: Annotated[tuple[Ranking, ...], Field(max_length=MAX_CLASSES)] | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        count, classes = sum(self.actual), len(self.actual)
        _require(len(self.predicted) == len(self.hits) == classes, "there are not as many classes in every count")
        _require(sum(self.predicted) == count, "as many rows must be predicted as there are")
        both = zip(self.hits, self.actual, self.predicted, strict=True)
        _require(all(hit <= min(rest) for hit, *rest in both), "more rows are right than there are")
        missed = count - sum(self.hits)
        _require(missed <= self.squared_distance <= missed * max(classes - 1, 0) ** 2, "the distances cannot be")
        _require(self.brier is None or self.brier <= 2 * count * _SLACK, "the Brier score is above 2")
        tops = [top for top in (self.top_3, self.top_5) if top is not None]
        _require(tops == sorted(tops) and all(top <= count for top in tops), "more rows are at the top than there are")
        if self.confusion is not None:
            self._holds_confusion(self.confusion)
        if self.rankings is not None:
            self._holds_rankings(self.rankings, count)
        return self

    def _holds_confusion(self, rows: Sequence[Sequence[int]]) -> None:
        classes = len(self.actual)
        _require(len(rows) == classes and all(len(row) == classes for row in rows), "the matrix is not square")
        _require(tuple(map(sum, rows)) == self.actual, "the matrix has other rows than there are")
        _require(tuple(map(sum, zip(*rows, strict=True))) == self.predicted, "the matrix has other predictions")
        _require(tuple(row[at] for at, row in enumerate(rows)) == self.hits, "the matrix has another diagonal")
        distance = sum((i - j) ** 2 * n for i, row in enumerate(rows) for j, n in enumerate(row))
        _require(distance == self.squared_distance, "the matrix has other distances")

    def _holds_rankings(self, rankings: Sequence[Ranking], count: int) -> None:
        ranked = self.actual[1:] if len(self.actual) == 2 else self.actual
        _require(len(rankings) == len(ranked), "there are not as many rankings as classes")
        for ranking, own in zip(rankings, ranked, strict=True):
            found = sum(ranking.positives.counts), sum(ranking.negatives.counts)
            _require(found == (own, count - own), "a ranking has other rows than its class")


class Moments(_Strict):
    """See ``bus.events.tallies.Moments``."""

    centre: _Float
    total: _Float
    squares: _Sum


class NumberTally(_Strict):
    """See ``bus.events.tallies.NumberTally``."""

    truth: Moments
    error: Moments
    absolute: _Sum
    largest: _Sum | None = None
    percentage: _Sum | None = None
    symmetric: _Sum | None = None
    logarithms: _Sum | None = None
    sizes: Bins | None = None

    def holds(self, count: int) -> None:
        """Raise ``ValueError`` if it cannot be about ``count`` rows."""
        for moments in (self.truth, self.error):
            # Cauchy and Schwarz; divided, since the square of a sum may be more than a float holds.
            mean = abs(moments.total) / count
            _require(mean * mean <= moments.squares / count * _SLACK + 5e-324, "sums and squares cannot be of one set")
        if self.largest is not None:
            most = self.largest * count * _SLACK
            _require(self.largest <= self.absolute * _SLACK and self.absolute <= most, "the largest error cannot be")
        _require(self.symmetric is None or self.symmetric <= 2 * count * _SLACK, "the symmetric error is above 2")
        _require(self.sizes is None or sum(self.sizes.counts) == count, "there are not as many errors as rows")


class Tally(_Strict):
    """See ``bus.events.tallies.Tally``."""

    split: _Word
    stage: _Word
    count: Annotated[int, Field(ge=1, le=2**53)]
    classes: ClassTally | None = None
    numbers: NumberTally | None = None

    @model_validator(mode="after")
    def _of_its_rows(self) -> Self:
        _require((self.classes is None) != (self.numbers is None), "expected either classes or numbers")
        if self.classes is not None:
            _require(sum(self.classes.actual) == self.count, f"the classes do not add up to {self.count} rows")
        if self.numbers is not None:
            self.numbers.holds(self.count)
        return self
