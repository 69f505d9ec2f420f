"""Whether the numbers of a tally can be about one set of rows. Edges are not trusted to have looked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from bus.events.tallies import Bins, ClassTally, Moments, NumberTally, Tally


def is_sound(tally: Tally) -> bool:
    """Whether formulas can be applied to ``tally``: counts add up to its rows, and sums are possible."""
    if tally.count < 1 or (tally.classes is None) == (tally.numbers is None):
        return False
    if tally.classes is not None:
        return _of_classes(tally.classes, tally.count)
    assert tally.numbers is not None
    return _of_numbers(tally.numbers, tally.count)


def fit_together(tallies: Sequence[Tally]) -> bool:
    """Whether tallies are of one kind, and of the same classes."""
    kinds = {None if tally.classes is None else len(tally.classes.actual) for tally in tallies}
    return len(kinds) == 1


def _of_classes(tally: ClassTally, count: int) -> bool:
    kinds = (tally.actual, tally.predicted, tally.hits)
    counts = [*tally.actual, *tally.predicted, *tally.hits, tally.squared_distance]
    if len(set(map(len, kinds))) != 1 or min(counts) < 0:
        return False
    if sum(tally.actual) != count or sum(tally.predicted) != count:
        return False
    if any(hit > min(rest) for hit, *rest in zip(tally.hits, tally.actual, tally.predicted, strict=True)):
        return False
    if any(top is not None and not 0 <= top <= count for top in (tally.top_3, tally.top_5)):
        return False
    sums = (total for total in (tally.log_loss, tally.brier) if total is not None)
    return all(isfinite(total) and total >= 0 for total in sums) and _confused(tally) and _ranked(tally, count)


def _confused(tally: ClassTally) -> bool:
    rows = tally.confusion
    if rows is None:
        return True
    if any(len(row) != len(tally.actual) or min(row) < 0 for row in rows):
        return False
    return tuple(map(sum, rows)) == tally.actual and tuple(map(sum, zip(*rows, strict=True))) == tally.predicted


def _ranked(tally: ClassTally, count: int) -> bool:
    if tally.rankings is None:
        return True
    classes = tally.actual[1:] if len(tally.actual) == 2 else tally.actual
    return len(classes) == len(tally.rankings) and all(
        _binned(ranking.positives, own) and _binned(ranking.negatives, count - own)
        for ranking, own in zip(tally.rankings, classes, strict=True)
    )


def _binned(bins: Bins, count: int) -> bool:
    in_order = all(one < other for one, other in pairwise(bins.places))
    return (
        in_order
        and len(bins.places) == len(bins.counts)
        and sum(bins.counts) == count
        and min(bins.counts, default=1) > 0
    )


def _of_numbers(tally: NumberTally, count: int) -> bool:
    sums = (tally.absolute, tally.largest, tally.percentage, tally.symmetric, tally.logarithms)
    known = [total for total in sums if total is not None]
    if not all(isfinite(total) and total >= 0 for total in known):
        return False
    if not (_possible(tally.truth) and _possible(tally.error)):
        return False
    return tally.sizes is None or _binned(tally.sizes, count)


def _possible(moments: Moments) -> bool:
    return all(map(isfinite, (moments.centre, moments.total, moments.squares))) and moments.squares >= 0
