"""Metrics of predicted classes from the counts of all edges.

Rows of a class that was never predicted, or never occurs, count as 0 in means over classes, as with scikit-learn's
``zero_division=0``; ``balanced_accuracy`` leaves out classes without rows. The formulas of Matthews' coefficient for
several classes: Gorodkin 2004; of kappa: Cohen 1960, with weights Cohen 1968.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from aggregator.domain.scoring.ranks import Ranked, area, average_precision, concentration, ranked
from aggregator.domain.scoring.result import Found, Missing, of_every
from bus.events.tallies import ClassTally

ONE_CLASS: Final = "all rows are of one class, or were all taken for one"


@dataclass(frozen=True)
class Pooled:
    """Counts of all edges' rows; see ``bus.events.tallies.ClassTally``."""

    tallies: Sequence[ClassTally]
    actual: Sequence[int]
    predicted: Sequence[int]
    hits: Sequence[int]
    squared_distance: int

    @classmethod
    def of(cls, tallies: Sequence[ClassTally]) -> Pooled:
        """The sums of ``tallies``, which are of the same classes."""
        return cls(
            tallies,
            _added(tally.actual for tally in tallies),
            _added(tally.predicted for tally in tallies),
            _added(tally.hits for tally in tallies),
            sum(tally.squared_distance for tally in tallies),
        )

    @property
    def count(self) -> int:
        """Rows."""
        return sum(self.actual)

    @property
    def classes(self) -> int:
        """How many there are, with rows or without."""
        return len(self.actual)

    @property
    def rankings(self) -> list[Ranked]:
        """Of each class, or of the second of two.

        Raises:
            Unknown: An edge sent none.
            Missing: A class has no rows.
        """
        said = of_every(tally.rankings for tally in self.tallies)
        present = sum(count > 0 for count in self.actual)
        if present < self.classes:
            raise Missing(f"{present} of {self.classes} classes occur in these rows")
        return [ranked(own) for own in zip(*said, strict=True)]


def confusion(tallies: Sequence[ClassTally]) -> tuple[tuple[int, ...], ...] | None:
    """The sum of the edges' matrices; ``None`` if one of them sent none."""
    matrices = [tally.confusion for tally in tallies if tally.confusion is not None]
    if len(matrices) < len(tallies):
        return None
    return tuple(_added(rows) for rows in zip(*matrices, strict=True))


def _added(counts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*counts, strict=True)))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _f(beta_squared: float, hit: int, actual: int, predicted: int) -> float:
    below = beta_squared * actual + predicted
    return (1.0 + beta_squared) * hit / below if below else 0.0


def _each(pooled: Pooled, one: Callable[[int, int, int], float]) -> list[float]:
    """A metric of each class from its hits, its rows and its predictions."""
    return [one(*counts) for counts in zip(pooled.hits, pooled.actual, pooled.predicted, strict=True)]


def _macro(one: Callable[[int, int, int], float], pooled: Pooled) -> Found:
    return Found(_mean(_each(pooled, one)))


def _weighted(one: Callable[[int, int, int], float], pooled: Pooled) -> Found:
    shares = zip(_each(pooled, one), pooled.actual, strict=True)
    return Found(math.fsum(value * count for value, count in shares) / pooled.count)


def _accuracy(pooled: Pooled) -> Found:
    return Found(sum(pooled.hits) / pooled.count)


def _hamming(pooled: Pooled) -> Found:
    return Found((pooled.count - sum(pooled.hits)) / pooled.count)


def _balanced_accuracy(pooled: Pooled) -> Found:
    return Found(_mean(hit / own for hit, own in zip(pooled.hits, pooled.actual, strict=True) if own))


def _specificity(pooled: Pooled) -> Found:
    count = pooled.count
    return _macro(lambda hit, own, taken: _ratio(count - own - taken + hit, count - own), pooled)


def _npv(pooled: Pooled) -> Found:
    count = pooled.count
    return _macro(lambda hit, own, taken: _ratio(count - own - taken + hit, count - taken), pooled)


def _dot(some: Sequence[int], others: Sequence[int]) -> int:
    return sum(one * other for one, other in zip(some, others, strict=True))


def _mcc(pooled: Pooled) -> Found:
    count = pooled.count
    spread = [count**2 - sum(each**2 for each in counts) for counts in (pooled.actual, pooled.predicted)]
    if 0 in spread:
        raise Missing(ONE_CLASS)
    return Found((sum(pooled.hits) * count - _dot(pooled.actual, pooled.predicted)) / math.sqrt(spread[0] * spread[1]))


def _kappa(pooled: Pooled) -> Found:
    count, by_chance = pooled.count, _dot(pooled.actual, pooled.predicted)
    if by_chance == count**2:
        raise Missing(ONE_CLASS)
    return Found(1.0 - (count - sum(pooled.hits)) * count / (count**2 - by_chance))


def _quadratic_kappa(pooled: Pooled) -> Found:
    places, count = range(pooled.classes), pooled.count
    (own, own_squares), (taken, taken_squares) = (
        (_dot(places, counts), _dot([place**2 for place in places], counts))
        for counts in (pooled.actual, pooled.predicted)
    )
    # The sum of (i - j)^2 actual_i predicted_j over all pairs of classes.
    by_chance = count * own_squares - 2 * own * taken + count * taken_squares
    if by_chance == 0:
        raise Missing(ONE_CLASS)
    return Found(1.0 - pooled.squared_distance * count / by_chance)


def _row_mean(name: str, pooled: Pooled) -> Found:
    """The mean of what was summed up over rows.

    Raises:
        Unknown: An edge did not send it.
    """
    return Found(math.fsum(of_every(getattr(tally, name) for tally in pooled.tallies)) / pooled.count)


def _over_classes(one: Callable[[Ranked], Found], pooled: Pooled) -> Found:
    """The mean over the ranked classes; what it can differ by is the mean of what each of them can."""
    found = [one(ranking) for ranking in pooled.rankings]
    return Found(_mean(each.value for each in found), _mean(each.within for each in found))


def _normalised(ranking: Ranked) -> Found:
    own = area(ranking)
    return Found(2.0 * own.value - 1.0, 2.0 * own.within)


def _precision(hit: int, _own: int, taken: int) -> float:
    return _ratio(hit, taken)


def _recall(hit: int, own: int, _taken: int) -> float:
    return _ratio(hit, own)


FORMULAS: Final[Mapping[str, Callable[[Pooled], Found]]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "precision": partial(_macro, _precision),
    "precision_micro": _accuracy,
    "precision_weighted": partial(_weighted, _precision),
    "recall": partial(_macro, _recall),
    "recall_micro": _accuracy,
    "recall_weighted": partial(_weighted, _recall),
    "f1": partial(_macro, partial(_f, 1.0)),
    "f1_micro": _accuracy,
    "f1_weighted": partial(_weighted, partial(_f, 1.0)),
    "f05": partial(_macro, partial(_f, 0.25)),
    "f2": partial(_macro, partial(_f, 4.0)),
    "specificity": _specificity,
    "npv": _npv,
    "mcc": _mcc,
    "cohen_kappa": _kappa,
    "quadratic_kappa": _quadratic_kappa,
    "hamming_loss": _hamming,
    "jaccard": partial(_macro, lambda hit, own, taken: _ratio(hit, own + taken - hit)),
    "roc_auc": partial(_over_classes, area),
    "pr_auc": partial(_over_classes, average_precision),
    "gini": partial(_over_classes, concentration),
    "normalised_gini": partial(_over_classes, _normalised),
    "log_loss": partial(_row_mean, "log_loss"),
    "brier": partial(_row_mean, "brier"),
    "top_3_accuracy": partial(_row_mean, "top_3"),
    "top_5_accuracy": partial(_row_mean, "top_5"),
}
"""Metric -> what it is for all rows; each may raise ``Missing`` or ``Unknown``."""
