"""Metrics and the tally of predicted classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.scores import ClassPrediction, Missing, Score, Scored, Where, if_there, scored
from training.scoring.bins import bins_for, by_decision, by_probability, counted
from training.scoring.tallies import MAX_CONFUSION, ClassTally, Ranking, Tally

SHORT: Final = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss")
"""What training cycles tell; evaluations tell everything."""
ONE_CLASS: Final = "all rows are of one class, or were all taken for one"
NO_PROBABILITIES: Final = "the model gives no probabilities"


@cache
def sklearn_metrics() -> Any:  # noqa: ANN401 - a module
    """scikit-learn's, once somebody scores: a daemon that only knows what a score is need not load them."""
    return import_module("sklearn.metrics")


def classification(
    truth: NDArray[np.int64], predicted: ClassPrediction, classes: int, where: Where, *, full: bool = True
) -> Scored:
    """Metrics and the tally of predicted classes.

    Args:
        truth: True codes, shape (rows,).
        predicted: Of the same rows.
        classes: How many classes there are, here or at other edges.
        where: What the scores are about.
        full: Whether everything is wanted, and not just what training cycles tell.
    """
    rows = _Rows(truth, predicted, classes)
    wanted = _formulas(rows)
    scores: tuple[Score, ...] = scored(wanted if full else {name: wanted[name] for name in SHORT}, len(truth), where)
    if not len(truth):
        return Scored(scores, None)
    return Scored(
        scores, Tally(split=where.split, stage=where.stage, count=len(truth), classes=_tally(rows, full=full))
    )


def _formulas(rows: _Rows) -> dict[str, Callable[[], float]]:
    metrics, both = sklearn_metrics(), (rows.truth, rows.codes)
    labels = np.arange(rows.classes)
    averaged: dict[str, Callable[[], float]] = {}
    for name, compute in (("precision", metrics.precision_score), ("recall", metrics.recall_score)):
        averaged |= _averaged(name, partial(compute, *both, labels=labels, zero_division=0.0))
    fbeta = partial(metrics.fbeta_score, *both, labels=labels, zero_division=0.0)
    averaged |= _averaged("f1", partial(fbeta, beta=1.0))
    top = {f"top_{k}_accuracy": partial(_top, rows, k) for k in (3, 5) if rows.classes > k}
    return {
        "accuracy": lambda: metrics.accuracy_score(*both),
        "balanced_accuracy": lambda: _balanced_accuracy(*both),
        **averaged,
        "f05": lambda: fbeta(beta=0.5, average="macro"),
        "f2": lambda: fbeta(beta=2.0, average="macro"),
        "specificity": lambda: _specificity(rows),
        "npv": lambda: _npv(rows),
        "mcc": lambda: _mcc(rows),
        "cohen_kappa": lambda: _kappa(rows, None),
        "quadratic_kappa": lambda: _kappa(rows, "quadratic"),
        "hamming_loss": lambda: metrics.hamming_loss(*both),
        "jaccard": lambda: metrics.jaccard_score(*both, labels=labels, average="macro", zero_division=0.0),
        "roc_auc": lambda: float(np.mean(rows.areas)),
        "pr_auc": lambda: _pr_auc(rows),
        "gini": lambda: _gini(rows),
        "normalised_gini": lambda: float(np.mean(2.0 * rows.areas - 1.0)),
        "log_loss": lambda: rows.log_loss / len(rows.truth),
        "brier": lambda: rows.brier / len(rows.truth),
        **{name: partial(_share, hits, len(rows.truth)) for name, hits in top.items()},
    }


@dataclass(frozen=True)
class _Rows:
    """What is scored: see ``classification``."""

    truth: NDArray[np.int64]
    predicted: ClassPrediction
    classes: int

    @property
    def codes(self) -> NDArray[np.int64]:
        return self.predicted.codes

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Of each row, with the sum 1."""
        found = self.predicted.probabilities
        if found is None:
            raise Missing(NO_PROBABILITIES)
        if not np.isfinite(found).all() or (found < 0).any() or not (found.sum(axis=1) > 0).all():
            raise Missing("what the model gives as probabilities are none")
        normalised: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
        return normalised

    @cached_property
    def ranks(self) -> NDArray[np.float64]:
        """What ranks the rows of each class, or of the second of two: shape (rows, 1 or classes)."""
        decisions = self.predicted.decisions
        if self.classes != 2 or self.predicted.probabilities is not None:
            return self.probabilities[:, 1:] if self.classes == 2 else self.probabilities
        if decisions is None:
            raise Missing("the model ranks nothing: it has neither probabilities nor decision values")
        if not np.isfinite(decisions).all():
            raise Missing("the model's decision values are not finite")
        return decisions[:, None]

    @property
    def ranked(self) -> NDArray[np.bool_]:
        """Whether each row is of the class that is ranked: shape as ``ranks``."""
        own: NDArray[np.bool_] = self.truth[:, None] == np.arange(1 if self.classes == 2 else 0, self.classes)
        return own

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """Area under the ROC curve of each class against the others, or of the second of two."""
        self.require_all()
        area = sklearn_metrics().roc_auc_score
        return np.array([area(own, ranks) for own, ranks in zip(self.ranked.T, self.ranks.T, strict=True)])

    @cached_property
    def log_loss(self) -> float:
        """Summed over the rows."""
        labels = np.arange(self.classes)
        return float(sklearn_metrics().log_loss(self.truth, self.probabilities, labels=labels, normalize=False))

    @cached_property
    def brier(self) -> float:
        """The same."""
        labels = np.arange(self.classes)
        mean = sklearn_metrics().brier_score_loss(self.truth, self.probabilities, labels=labels)
        return float(mean) * len(self.truth)

    def require_all(self) -> None:
        """Raise ``Missing`` unless rows of every class are there."""
        present = len(np.unique(self.truth))
        if present < self.classes:
            raise Missing(f"{present} of {self.classes} classes occur in these rows")

    @cached_property
    def one_against_others(self) -> NDArray[np.int64]:
        """For each class true negatives, false positives, false negatives, true positives: shape (classes, 4)."""
        found = sklearn_metrics().multilabel_confusion_matrix(self.truth, self.codes, labels=np.arange(self.classes))
        matrices: NDArray[np.int64] = found.reshape(self.classes, 4)
        return matrices


def _averaged(name: str, compute: Callable[..., float]) -> dict[str, Callable[[], float]]:
    """The mean over classes, the same over rows, and weighted by the rows of each class."""
    return {
        name: partial(compute, average="macro"),
        **{f"{name}_{average}": partial(compute, average=average) for average in ("micro", "weighted")},
    }


def _balanced_accuracy(truth: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    present = np.unique(truth)
    return float(np.mean([np.mean(codes[truth == code] == code) for code in present]))


def _specificity(rows: _Rows) -> float:
    negatives, wrong, _, _ = rows.one_against_others.T
    return float(np.mean(negatives / np.maximum(negatives + wrong, 1)))


def _npv(rows: _Rows) -> float:
    negatives, _, missed, _ = rows.one_against_others.T
    return float(np.mean(negatives / np.maximum(negatives + missed, 1)))


def _mcc(rows: _Rows) -> float:
    if len(np.unique(rows.truth)) == 1 or len(np.unique(rows.codes)) == 1:
        raise Missing(ONE_CLASS)
    return float(sklearn_metrics().matthews_corrcoef(rows.truth, rows.codes))


def _kappa(rows: _Rows, weights: str | None) -> float:
    if len(np.unique([*np.unique(rows.truth), *np.unique(rows.codes)])) == 1:
        raise Missing(ONE_CLASS)
    labels = np.arange(rows.classes)
    return float(sklearn_metrics().cohen_kappa_score(rows.truth, rows.codes, labels=labels, weights=weights))


def _pr_auc(rows: _Rows) -> float:
    rows.require_all()
    area = sklearn_metrics().average_precision_score
    return float(np.mean([area(own, ranks) for own, ranks in zip(rows.ranked.T, rows.ranks.T, strict=True)]))


def _gini(rows: _Rows) -> float:
    return float(np.mean((2.0 * rows.areas - 1.0) * (1.0 - rows.ranked.mean(axis=0))))


def _top(rows: _Rows, k: int) -> int:
    labels = np.arange(rows.classes)
    hits = sklearn_metrics().top_k_accuracy_score(rows.truth, rows.probabilities, k=k, labels=labels, normalize=False)
    return int(hits)


def _share(hits: Callable[[], int], count: int) -> float:
    return hits() / count


def _tally(rows: _Rows, *, full: bool) -> ClassTally:
    classes = rows.classes
    confusion: NDArray[np.int64] | None = None
    if full and classes <= MAX_CONFUSION:
        confusion = np.bincount(rows.truth * classes + rows.codes, minlength=classes**2).reshape(classes, classes)
    return ClassTally(
        actual=_counts(rows.truth, classes),
        predicted=_counts(rows.codes, classes),
        hits=_counts(rows.truth[rows.truth == rows.codes], classes),
        squared_distance=int(((rows.truth - rows.codes) ** 2).sum()),
        confusion=None if confusion is None else tuple(tuple(row) for row in confusion.tolist()),
        log_loss=if_there(lambda: rows.log_loss),
        brier=if_there(lambda: rows.brier) if full else None,
        top_3=if_there(partial(_top, rows, 3)) if full and classes > 3 else None,
        top_5=if_there(partial(_top, rows, 5)) if full and classes > 5 else None,
        rankings=if_there(partial(_rankings, rows)) if full and bins_for(classes) is not None else None,
    )


def _counts(codes: NDArray[np.int64], classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(codes, minlength=classes).tolist())


def _rankings(rows: _Rows) -> tuple[Ranking, ...]:
    bins = bins_for(rows.classes)
    assert bins is not None
    place = by_probability if rows.predicted.probabilities is not None else by_decision
    places = place(rows.ranks, bins)
    return tuple(
        Ranking(positives=counted(own[is_one]), negatives=counted(own[~is_one]))
        for own, is_one in zip(places.T, rows.ranked.T, strict=True)
    )
