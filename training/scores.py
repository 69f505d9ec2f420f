"""What a score is. A metric that cannot be computed is ``None`` with a reason, never 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.scoring.tallies import Tally

NO_ROWS: Final = "no rows"
_T = TypeVar("_T")


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
class Scored:
    """What is said about a model on one set of rows.

    Attributes:
        scores: Its metrics.
        tally: What adds up over edges; ``None`` if there is nothing to add.
    """

    scores: tuple[Score, ...]
    tally: Tally | None


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


class Missing(Exception):
    """A metric has no value here; the message says why."""


def scored(wanted: Mapping[str, Callable[[], float]], count: int, where: Where) -> tuple[Score, ...]:
    """Scores by name.

    Args:
        wanted: Metric -> what computes it, which may raise ``Missing``.
        count: Rows; without any, nothing is computed.
        where: What the scores are about.
    """
    return tuple(_score(name, compute, count, where) for name, compute in wanted.items())


def _score(name: str, compute: Callable[[], float], count: int, where: Where) -> Score:
    value, reason = _value(compute) if count else (None, NO_ROWS)
    return Score(name=name, split=where.split, stage=where.stage, value=value, reason=reason, count=count)


def _value(compute: Callable[[], float]) -> tuple[float | None, str | None]:
    try:
        # What overflows has no value, and says so.
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(compute())
    except Missing as missing:
        return None, str(missing)
    return (value, None) if math.isfinite(value) else (None, "the value is not finite")


def if_there(compute: Callable[[], _T]) -> _T | None:
    """What ``compute`` gives; ``None`` where it raises ``Missing``, or if it is no finite number."""
    try:
        found = compute()
    except Missing:
        return None
    return found if not isinstance(found, float) or math.isfinite(found) else None
