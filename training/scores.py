"""Metrics of a prediction, by scikit-learn. A metric that cannot be computed is ``None`` with a reason, never 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

NO_ROWS: Final = "no rows"


@cache
def _metrics() -> Any:  # noqa: ANN401 - a module
    """scikit-learn's, once somebody scores: a daemon that only knows what a score is need not load them."""
    return import_module("sklearn.metrics")


class Score(BaseModel):
    """One metric on one set of rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    split: str
    """``train``, ``validation`` or ``test``."""
    stage: str
    """``received`` for the model as it came, ``trained`` after training."""
    value: float | None
    reason: str | None = None
    """Why there is no value."""
    count: int
    """Rows that it was computed on."""


@dataclass(frozen=True)
class Where:
    """What a set of scores is about."""

    split: str
    stage: str


@dataclass(frozen=True)
class ClassPrediction:
    """Predicted classes.

    Attributes:
        codes: Most likely class of each row, int, shape (rows,).
        probabilities: float, shape (rows, classes); ``None`` if the model gives none.
        decisions: Scores that rank rows, shape (rows,) for two classes, else (rows, classes); ``None`` if none.
    """

    codes: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None = None
    decisions: NDArray[np.float64] | None = None


class _Missing(Exception):
    """A metric has no value here."""


def classification(
    truth: NDArray[np.int64], predicted: ClassPrediction, classes: int, where: Where
) -> tuple[Score, ...]:
    """Scores of predicted classes.

    Args:
        truth: True codes, shape (rows,).
        predicted: Of the same rows.
        classes: How many classes there are, here or at other edges.
        where: What the scores are about.
    """
    codes = predicted.codes
    average = {"average": "macro", "labels": np.arange(classes), "zero_division": 0.0}
    wanted: dict[str, Callable[[], float]] = {
        "accuracy": lambda: _metrics().accuracy_score(truth, codes),
        "balanced_accuracy": lambda: _balanced_accuracy(truth, codes),
        "precision": lambda: _metrics().precision_score(truth, codes, **average),
        "recall": lambda: _metrics().recall_score(truth, codes, **average),
        "f1": lambda: _metrics().f1_score(truth, codes, **average),
        "roc_auc": lambda: _roc_auc(truth, predicted, classes),
        "log_loss": lambda: _log_loss(truth, predicted, classes),
    }
    return tuple(_score(name, compute, len(truth), where) for name, compute in wanted.items())


def regression(truth: NDArray[np.float64], predicted: NDArray[np.float64], where: Where) -> tuple[Score, ...]:
    """Scores of predicted numbers, both of shape (rows,)."""
    wanted: dict[str, Callable[[], float]] = {
        "rmse": lambda: _metrics().root_mean_squared_error(truth, predicted),
        "mse": lambda: _metrics().mean_squared_error(truth, predicted),
        "mae": lambda: _metrics().mean_absolute_error(truth, predicted),
        "r2": lambda: _r2(truth, predicted),
    }
    return tuple(_score(name, compute, len(truth), where) for name, compute in wanted.items())


def _score(name: str, compute: Callable[[], float], count: int, where: Where) -> Score:
    value, reason = _value(compute) if count else (None, NO_ROWS)
    return Score(name=name, split=where.split, stage=where.stage, value=value, reason=reason, count=count)


def _value(compute: Callable[[], float]) -> tuple[float | None, str | None]:
    try:
        value = float(compute())
    except _Missing as missing:
        return None, str(missing)
    return (value, None) if math.isfinite(value) else (None, "the value is not finite")


def _balanced_accuracy(truth: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    present = np.unique(truth)
    return float(np.mean([np.mean(codes[truth == code] == code) for code in present]))


def _roc_auc(truth: NDArray[np.int64], predicted: ClassPrediction, classes: int) -> float:
    if len(np.unique(truth)) < classes:
        raise _Missing(f"{len(np.unique(truth))} of {classes} classes occur in these rows")
    if classes == 2:
        ranks = predicted.probabilities[:, 1] if predicted.probabilities is not None else predicted.decisions
        if ranks is None:
            raise _Missing("the model ranks nothing: it has neither probabilities nor decision values")
        return float(_metrics().roc_auc_score(truth, ranks))
    if predicted.probabilities is None:
        raise _Missing("the model gives no probabilities")
    return float(_metrics().roc_auc_score(truth, _normalised(predicted.probabilities), multi_class="ovr"))


def _log_loss(truth: NDArray[np.int64], predicted: ClassPrediction, classes: int) -> float:
    if predicted.probabilities is None:
        raise _Missing("the model gives no probabilities")
    return float(_metrics().log_loss(truth, _normalised(predicted.probabilities), labels=np.arange(classes)))


def _normalised(probabilities: NDArray[np.float64]) -> NDArray[Any]:
    result: NDArray[Any] = probabilities / probabilities.sum(axis=1, keepdims=True)
    return result


def _r2(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    if len(truth) < 2 or np.ptp(truth) == 0:
        raise _Missing("the target does not vary in these rows")
    return float(_metrics().r2_score(truth, predicted))
