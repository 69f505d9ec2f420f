"""Edges as far as statistics are concerned: what each sums up, added as the aggregator adds it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.categories import tabular
from training.categories.tabular import Table, Task
from training.preprocessing import fit
from training.preprocessing.asked import Asked, Known
from training.preprocessing.choices import Derived, Preprocessing
from training.preprocessing.preparation import Preparation
from training.preprocessing.settling import settle
from training.weights import KEEP, SUM, Weights

Numbers = NDArray[np.float64]


def summed(edges: Sequence[Table], task: Task) -> Weights:
    """The sums of all passes over all edges."""
    sums: Weights | None = None
    for _ in range(task.prepared.passes):
        sums = added([tabular.statistics(edge, task, sums) for edge in edges])
    assert sums is not None
    return sums


def added(parts: Sequence[Weights]) -> Weights:
    """What the edges say, combined by its reductions."""
    first = parts[0]
    tensors = {}
    for name, values in first.tensors.items():
        if first.reductions[name] == KEEP:
            assert all(np.array_equal(part.tensors[name], values) for part in parts), name
            tensors[name] = values
        else:
            assert first.reductions[name] == SUM
            tensors[name] = np.sum([part.tensors[name] for part in parts], axis=0)
    return Weights(tensors, first.reductions)


def task_for(
    names: Sequence[str],
    known: dict[str, Known],
    preprocessing: Preprocessing,
    derived: tuple[Derived, ...] = (),
    classes: tuple[str, ...] | None = ("no", "yes"),
) -> Task:
    """A task with what a plan asks for."""
    asked = Asked(preprocessing, derived, tuple(names))
    return Task(asked.columns, "target", classes, settle(asked, known))


def seen(edges: Sequence[Table], task: Task) -> tuple[Numbers, Preparation]:
    """What the model sees of the rows of all edges, one edge behind the other."""
    weights = fitted(edges, task)
    return np.concatenate([tabular.inputs(edge.features, weights, task) for edge in edges]), task.prepared


def fitted(edges: Sequence[Table], task: Task) -> Weights:
    """The preprocessing alone of a first model."""
    tensors = {f"preprocessing.{n}": v for n, v in fit.fitted(summed(edges, task), task.prepared).items()}
    return Weights(tensors, dict.fromkeys(tensors, KEEP))


def uneven(features: Numbers, target: NDArray[np.generic] | None = None) -> list[Table]:
    """The rows at three edges: a few, some, most."""
    rows = len(features)
    target = np.zeros(rows, np.int64) if target is None else target
    cuts = [rows // 20 + 1, rows // 3]
    return [Table(f, t) for f, t in zip(np.split(features, cuts), np.split(target, cuts), strict=True)]
