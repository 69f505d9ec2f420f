"""Real tables that come with scikit-learn, parted among edges of different sizes; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from training.categories.tabular import Table, Task

SHARES: Final = (0.5, 0.3, 0.2)
"""Of the rows to learn from, edge by edge."""
TEST: Final = 0.25
"""Share of all rows that no edge sees."""
_LOADERS: Final[dict[str, Callable[[], Any]]] = {
    "breast-cancer": load_breast_cancer,
    "wine": load_wine,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
_NUMBERS: Final = frozenset({"diabetes"})
SETS: Final = tuple(_LOADERS)


@dataclass(frozen=True)
class Parted:
    """A data set as edges hold it.

    Attributes:
        task: What is learnt from what.
        edges: Rows of each.
        test: Rows that nobody learns from.
    """

    task: Task
    edges: tuple[Table, ...]
    test: Table

    @property
    def pooled(self) -> Table:
        """The rows of all edges."""
        return Table(
            np.concatenate([edge.features for edge in self.edges]), np.concatenate([edge.target for edge in self.edges])
        )


def names(*, classes: bool) -> tuple[str, ...]:
    """Of the sets with classes, or of those with a number to predict."""
    return tuple(name for name in SETS if (name in _NUMBERS) != classes)


def parted(name: str, seed: int, *, skew: float = 0.0, edges: int = len(SHARES)) -> Parted:
    """A data set, its rows dealt anew for every seed.

    Args:
        name: One of ``SETS``.
        seed: Decides who holds which rows, and which are held by nobody.
        skew: 0: every edge's rows are drawn alike. 1: sorted by target before they are dealt, so that each edge holds
            classes, or a range of numbers, of its own. Between: that share of the rows is sorted.
        edges: How many there are, each with its part of ``SHARES``.
    """
    task, whole = _whole(name)
    random = np.random.Generator(np.random.PCG64(seed))
    order = random.permutation(len(whole))
    held_out = round(len(order) * TEST)
    test, rest = order[:held_out], order[held_out:]
    cut = round(len(rest) * skew)
    ordered = rest[:cut][np.argsort(whole.target[rest[:cut]], kind="stable")]
    shares = np.array(SHARES[:edges]) / sum(SHARES[:edges])
    parts = zip(_dealt(ordered, shares), _dealt(rest[cut:], shares), strict=True)
    return Parted(task, tuple(whole.take(np.concatenate(part)) for part in parts), whole.take(test))


def _dealt(rows: np.ndarray, shares: np.ndarray) -> list[np.ndarray]:
    return np.split(rows, np.round(np.cumsum(shares)[:-1] * len(rows)).astype(int))


@cache
def _whole(name: str) -> tuple[Task, Table]:
    bunch = _LOADERS[name]()
    columns = tuple(str(each).replace(" ", "_") for each in bunch.feature_names)
    if name in _NUMBERS:
        return Task(columns, "target", None), Table(bunch.data, bunch.target.astype(np.float64))
    classes = tuple(f"class {code}" for code in range(len(np.unique(bunch.target))))
    return Task(columns, "target", classes), Table(bunch.data, bunch.target.astype(np.int64))
