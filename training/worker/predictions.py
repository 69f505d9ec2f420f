"""``predictions.csv``: what a model says of rows. It stays where the rows are.

A header and a line per row, in their order. The first column has the target's name and holds the most likely class, or
the number. If the model gives probabilities, a column for each class follows, in the order of the task's classes.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.categories.tabular import Task
from training.errors import egress_error
from training.scores import ClassPrediction


@dataclass(frozen=True)
class Predictions:
    """What a model says of rows.

    Attributes:
        values: Most likely classes as they are called, object, or numbers, float64; shape (rows,).
        probabilities: float64, shape (rows, classes); ``None`` if the model gives none.
    """

    values: NDArray[Any]
    probabilities: NDArray[np.float64] | None

    @classmethod
    def of(cls, predicted: ClassPrediction | NDArray[np.float64], task: Task) -> Self:
        """What ``tabular.predict`` gave."""
        if not isinstance(predicted, ClassPrediction):
            return cls(predicted, None)
        assert task.classes is not None
        return cls(np.array(task.classes, object)[predicted.codes], predicted.probabilities)

    def write(self, path: Path, task: Task) -> None:
        """Write them; see the module."""
        heads, lines = [task.target], [[value] for value in self.values.tolist()]
        if self.probabilities is not None:
            heads += [f"probability of {name}" for name in task.classes or ()]
            lines = [[*line, *row] for line, row in zip(lines, self.probabilities.tolist(), strict=True)]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(heads)
            writer.writerows(lines)


def read_predictions(path: Path, task: Task, *, rows: int) -> Predictions:
    """Read what a worker wrote, which the model's code may have written in its place.

    Args:
        path: The file; may be anything.
        task: What was asked.
        rows: Of how many rows.

    Raises:
        TrainingError: It is missing, or not that.
    """
    if path.is_symlink() or not path.is_file():
        raise egress_error("predictions.format", f"the worker wrote no {path.name}")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            _, *lines = csv.reader(file, strict=True)
        return _taken(lines, task, rows)
    except (OSError, ValueError, csv.Error) as error:
        raise egress_error(
            "predictions.format", f"what the worker wrote as {path.name} are no predictions of {rows} rows: {error}"
        ) from error


def _taken(lines: list[list[str]], task: Task, rows: int) -> Predictions:
    classes = task.classes
    widths = {1} if classes is None else {1, 1 + len(classes)}
    found = {len(line) for line in lines}
    if len(lines) != rows or len(found) > 1 or not found <= widths:
        raise ValueError(f"{len(lines)} lines of {sorted(found)} cells")
    if classes is None:
        return Predictions(_finite([line[0] for line in lines]), None)
    if strange := {line[0] for line in lines}.difference(classes):
        raise ValueError(f"{len(strange)} classes that there are not")
    values = np.array([line[0] for line in lines], object)
    return Predictions(values, _finite([line[1:] for line in lines]) if found == {1 + len(classes)} else None)


def _finite(cells: list[Any]) -> NDArray[np.float64]:
    values = np.array(cells, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("numbers that are not finite")
    return values
