"""Metrics and the tally of predicted numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.scores import Missing, Scored, Where, if_there, scored
from training.scoring.bins import sizes
from training.scoring.classes import sklearn_metrics
from training.scoring.tallies import Moments, NumberTally, Tally

SHORT: Final = ("rmse", "mse", "mae", "r2")
"""What training cycles tell; evaluations tell everything."""
CONSTANT: Final = "the target does not vary in these rows"
_Numbers = NDArray[np.float64]


def regression(truth: _Numbers, predicted: _Numbers, where: Where, *, full: bool = True) -> Scored:
    """Metrics and the tally of predicted numbers.

    Args:
        truth: Shape (rows,).
        predicted: The same.
        where: What the scores are about.
        full: Whether everything is wanted, and not just what training cycles tell.
    """
    wanted = _formulas(truth, predicted)
    if not np.isfinite(predicted).all():
        wanted = dict.fromkeys(wanted, _not_finite)
    scores = scored(wanted if full else {name: wanted[name] for name in SHORT}, len(truth), where)
    numbers = _tally(truth, predicted, full=full) if len(truth) else None
    if numbers is None:
        return Scored(scores, None)
    return Scored(scores, Tally(split=where.split, stage=where.stage, count=len(truth), numbers=numbers))


def _formulas(truth: _Numbers, predicted: _Numbers) -> dict[str, Callable[[], float]]:
    metrics, both = sklearn_metrics(), (truth, predicted)
    return {
        "rmse": lambda: metrics.root_mean_squared_error(*both),
        "mse": lambda: metrics.mean_squared_error(*both),
        "mae": lambda: metrics.mean_absolute_error(*both),
        "r2": lambda: _varying(truth, metrics.r2_score, *both),
        "explained_variance": lambda: _varying(truth, metrics.explained_variance_score, *both),
        "mbe": lambda: _sum(predicted - truth) / len(truth),
        "medae": lambda: metrics.median_absolute_error(*both),
        "max_error": lambda: metrics.max_error(*both),
        "mape": lambda: _percentage(truth, predicted),
        "smape": lambda: _symmetric(truth, predicted) / len(truth),
        "rmsle": lambda: math.sqrt(_logarithms(truth, predicted) / len(truth)),
    }


def _not_finite() -> float:
    raise Missing("the model predicts what is no finite number")


def _varying(truth: _Numbers, compute: Callable[[_Numbers, _Numbers], float], *both: _Numbers) -> float:
    if len(truth) < 2 or np.ptp(truth) == 0:
        raise Missing(CONSTANT)
    return float(compute(*both))


def _percentage(truth: _Numbers, predicted: _Numbers) -> float:
    zeros = int((truth == 0).sum())
    if zeros:
        raise Missing(f"the target is 0 in {zeros} of {len(truth)} rows")
    return float(sklearn_metrics().mean_absolute_percentage_error(truth, predicted))


def _symmetric(truth: _Numbers, predicted: _Numbers) -> float:
    size = np.abs(truth) + np.abs(predicted)
    apart = 2.0 * np.abs(predicted - truth)
    return _sum(np.divide(apart, size, out=np.zeros(len(truth)), where=size > 0))


def _logarithms(truth: _Numbers, predicted: _Numbers) -> float:
    below = int(((truth <= -1) | (predicted <= -1)).sum())
    if below:
        raise Missing(f"the target or its prediction is -1 or less in {below} of {len(truth)} rows")
    return _sum((np.log1p(predicted) - np.log1p(truth)) ** 2)


def _tally(truth: _Numbers, predicted: _Numbers, *, full: bool) -> NumberTally | None:
    """``None`` if something is too large to be summed up."""
    error = predicted - truth
    absolute = np.abs(error)
    own, off, total = _moments(truth), _moments(error), _sum(absolute)
    if own is None or off is None or not math.isfinite(total):
        return None
    if not full:
        return NumberTally(truth=own, error=off, absolute=total)
    return NumberTally(
        truth=own,
        error=off,
        absolute=total,
        largest=float(absolute.max()),
        percentage=if_there(lambda: _percentage(truth, predicted) * len(truth)),
        symmetric=if_there(lambda: _symmetric(truth, predicted)),
        logarithms=if_there(lambda: _logarithms(truth, predicted)),
        sizes=sizes(absolute),
    )


def _moments(values: _Numbers) -> Moments | None:
    """First and second moment about the mean; ``None`` if they are too large."""
    centre = _sum(values / len(values))
    with np.errstate(over="ignore", invalid="ignore"):
        apart = values - centre
        total, squares = _sum(apart), _sum(apart**2)
    if not (math.isfinite(centre) and math.isfinite(total) and math.isfinite(squares)):
        return None
    return Moments(centre=centre, total=total, squares=squares)


def _sum(values: _Numbers) -> float:
    """Rounded once; infinite if it, or any value, is too large."""
    try:
        return math.fsum(values.tolist())
    except (OverflowError, ValueError):
        return math.inf
