"""The metrics there are: what each says, which way is better, and how the cohort's follows from the edges'.

For whoever shows, compares or ranks models. ``training.scoring`` and ``aggregator.domain.scoring`` compute them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Better(StrEnum):
    """Which way a metric is better."""

    HIGHER = "higher"
    LOWER = "lower"
    ZERO = "nearer to 0"


class Problem(StrEnum):
    """What is predicted."""

    CLASSES = "classification"
    NUMBERS = "regression"


class Combined(StrEnum):
    """What the cohort's value is to that of all rows in one place."""

    EXACT = "exact"
    """The same, but for rounding."""
    BOUNDED = "bounded"
    """No further from it than ``within`` of the score."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: In scores.
        problem: What is predicted.
        better: Which way.
        least: Lower end of its range; ``None`` for none.
        most: Upper end.
        formula: What it is, in a few words.
        combined: In evaluations.
        in_training: Whether training cycles tell it too.
        headline: Whether it is shown where there is little room.
        note: When it has no value, or what else is to know.
    """

    name: str
    problem: Problem
    better: Better
    least: float | None
    most: float | None
    formula: str
    combined: Combined = Combined.EXACT
    in_training: bool = False
    headline: bool = False
    note: str = ""


_EVERY_CLASS: Final = "none unless every class occurs"
_NEVER: Final = "a class that is never predicted counts as 0"
_ONE: Final = "none if all rows are of one class, or all are taken for one"
_SAME: Final = "none if all rows are of one class and taken for it"
_PROBABLE: Final = "none without probabilities"
_VARIES: Final = "none if the target does not vary"
_HEADLINES: Final = frozenset({"accuracy", "roc_auc", "log_loss", "rmse", "r2"})


def _classes(
    name: str, better: Better, least: float, most: float | None, formula: str, note: str = "", *, short: bool = False
) -> Metric:
    headline = name in _HEADLINES
    return Metric(name, Problem.CLASSES, better, least, most, formula, in_training=short, headline=headline, note=note)


def _share(name: str, formula: str, note: str = "", *, short: bool = False) -> Metric:
    """From 0 to 1, the higher the better."""
    return _classes(name, Better.HIGHER, 0.0, 1.0, formula, note, short=short)


def _agreement(name: str, formula: str, note: str) -> Metric:
    """From -1 to 1, 0 being chance."""
    return _classes(name, Better.HIGHER, -1.0, 1.0, formula, note)


def _ranking(name: str, least: float, formula: str, *, short: bool = False) -> Metric:
    """Of the order that the model gives rows."""
    metric = _classes(name, Better.HIGHER, least, 1.0, formula, _EVERY_CLASS, short=short)
    return replace(metric, combined=Combined.BOUNDED)


def _numbers(name: str, formula: str, note: str = "", *, better: Better = Better.LOWER, short: bool = False) -> Metric:
    """An error: from 0 on, the lower the better; or, the higher the better, up to 1."""
    least, most = {Better.LOWER: (0.0, None), Better.HIGHER: (None, 1.0), Better.ZERO: (None, None)}[better]
    headline = name in _HEADLINES
    return Metric(name, Problem.NUMBERS, better, least, most, formula, in_training=short, headline=headline, note=note)


_OF_CLASSES: Final = (
    _share("accuracy", "rows that are right / rows", short=True),
    _share("balanced_accuracy", "mean of the recall over classes that occur", short=True),
    _share("precision", "mean over classes of right / predicted", _NEVER, short=True),
    _share("precision_micro", "the same over rows: accuracy"),
    _share("precision_weighted", "the same, weighted by the rows of each class", _NEVER),
    _share("recall", "mean over classes of right / rows of the class", "a class without rows counts as 0", short=True),
    _share("recall_micro", "the same over rows: accuracy"),
    _share("recall_weighted", "the same, weighted by the rows of each class: accuracy"),
    _share("f1", "mean over classes of 2 right / (rows + predicted)", short=True),
    _share("f1_micro", "the same over rows: accuracy"),
    _share("f1_weighted", "the same, weighted by the rows of each class"),
    _share("f05", "mean over classes of F with beta 0.5: 1.25 right / (0.25 rows + predicted)"),
    _share("f2", "mean over classes of F with beta 2: 5 right / (4 rows + predicted)"),
    _share("specificity", "mean over classes of true negatives / rows of other classes"),
    _share("npv", "mean over classes of true negatives / rows taken for other classes"),
    _agreement("mcc", "Matthews' correlation of truth and prediction", _ONE),
    _agreement("cohen_kappa", "agreement beyond that by chance", _SAME),
    _agreement(
        "quadratic_kappa",
        "the same, with the squared distances between classes",
        f"for grades: classes are in the order of their labels as text; {_SAME}",
    ),
    _classes("hamming_loss", Better.LOWER, 0.0, 1.0, "rows that are wrong / rows"),
    _share("jaccard", "mean over classes of right / (rows + predicted - right)"),
    _ranking("roc_auc", 0.0, "area under the ROC curve, each class against the others", short=True),
    _ranking("pr_auc", 0.0, "average precision, each class against the others"),
    _ranking("gini", -1.0, "normalised_gini times the share of rows of other classes: by area of the gains curve"),
    _ranking("normalised_gini", -1.0, "2 roc_auc - 1"),
    _classes(
        *("log_loss", Better.LOWER, 0.0, None, "mean of -log of the probability of the true class", _PROBABLE),
        short=True,
    ),
    _classes(
        *("brier", Better.LOWER, 0.0, 2.0, "mean of the squared errors of the probabilities, summed over classes"),
        f"for two classes half of it, so at most 1; {_PROBABLE}",
    ),
    _share("top_3_accuracy", "rows whose class is among the 3 likeliest / rows", "only for more than 3 classes"),
    _share("top_5_accuracy", "rows whose class is among the 5 likeliest / rows", "only for more than 5 classes"),
)
_OF_NUMBERS: Final = (
    _numbers("rmse", "root of mse", short=True),
    _numbers("mse", "mean of squared errors", short=True),
    _numbers("mae", "mean of errors without sign", short=True),
    _numbers(
        *("r2", "1 - squared errors / squared differences to the mean", _VARIES), better=Better.HIGHER, short=True
    ),
    _numbers("explained_variance", "1 - variance of errors / variance of the target", _VARIES, better=Better.HIGHER),
    _numbers("mbe", "mean of errors", better=Better.ZERO),
    replace(_numbers("medae", "median of errors without sign", "known to 0.4 %"), combined=Combined.BOUNDED),
    _numbers("max_error", "largest error without sign"),
    _numbers("mape", "mean of errors as parts of the truth, without sign", "none if a truth is 0"),
    replace(
        _numbers("smape", "mean of 2 |error| / (|truth| + |prediction|)", "a row in which both are 0 counts as 0"),
        most=2.0,
    ),
    _numbers("rmsle", "root of the mean squared error of log(1 + x)", "none if a truth or prediction is -1 or less"),
)

METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in (*_OF_CLASSES, *_OF_NUMBERS)}
"""Name -> metric, in the order in which they are told."""
HEADLINES: Final = tuple(metric.name for metric in METRICS.values() if metric.headline)
"""What is shown where there is little room."""
