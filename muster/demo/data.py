"""Wisconsin breast cancer (569 patients, ships inside scikit-learn), as if three hospitals had collected it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training.categories.tabular import Table, Task

TARGET: Final = "diagnosis"
SHARES: Final = {"hospital-a": 0.58, "hospital-b": 0.32, "hospital-c": 0.10}
"""Who has how much: the split is uneven on purpose."""
_TEST: Final = 0.25
_SEED: Final = 20


@dataclass(frozen=True)
class Hospital:
    """What one hospital holds."""

    train: Table
    test: Table


@dataclass(frozen=True)
class Collection:
    """All hospitals, and what is learnt from their data."""

    task: Task
    hospitals: Mapping[str, Hospital]


def collection() -> Collection:
    """The three hospitals; the same each time."""
    # Takes as long as all the rest of the command line, which has this module among its commands.
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    names = tuple(name.replace(" ", "_") for name in bunch.feature_names)
    classes = tuple(sorted(bunch.target_names))
    codes = np.array([classes.index(bunch.target_names[target]) for target in bunch.target])
    order = np.random.Generator(np.random.PCG64(_SEED)).permutation(len(codes))
    bounds = np.cumsum([round(share * len(order)) for share in SHARES.values()])[:-1]
    hospitals = {}
    for name, rows in zip(SHARES, np.split(order, bounds), strict=True):
        table = Table(bunch.data[rows], codes[rows])
        held_out = round(len(rows) * _TEST)
        hospitals[name] = Hospital(table.take(np.arange(held_out, len(rows))), table.take(np.arange(held_out)))
    return Collection(Task(names, TARGET, classes), hospitals)


def write_csv(found: Collection, directory: Path) -> dict[str, dict[str, Path]]:
    """Write each hospital's rows; returns hospital -> split -> file."""
    directory.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[str, Path]] = {}
    for name, hospital in found.hospitals.items():
        for split, table in (("train", hospital.train), ("test", hospital.test)):
            path = directory / f"{name}-{split}.csv"
            _write(path, found.task, table)
            files.setdefault(name, {})[split] = path
    return files


def _write(path: Path, task: Task, table: Table) -> None:
    assert task.classes is not None
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*task.features, task.target])
        for features, code in zip(table.features, table.target, strict=True):
            writer.writerow([*map(repr, map(float, features)), task.classes[code]])
