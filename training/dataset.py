"""The dataset as a worker sees it: a read-only directory of plain arrays.

::

    dataset.json          rows per split; columns with their encoding
    train/0.npy ...       one array per column, in the columns' order
    test/0.npy ...

A ``number`` column is float64, NaN where a cell is missing. A ``label`` column is int32 codes into its list of
labels, -1 where a cell is missing. Nothing is pickled, so reading cannot run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import data_error

FILE: Final = "dataset.json"
TRAIN: Final = "train"
SPLITS: Final = (TRAIN, "test")


class Encoding(StrEnum):
    """How a column is kept."""

    NUMBER = "number"
    LABEL = "label"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its array."""
        return np.dtype(np.float64 if self is Encoding.NUMBER else np.int32)


class Column(BaseModel):
    """One column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    encoding: Encoding
    labels: tuple[str, ...] = ()
    """What the codes of a label column stand for."""


class Index(BaseModel):
    """``dataset.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    rows: dict[str, int]
    """Split -> rows."""
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Dataset:
    """A dataset in a directory.

    Attributes:
        directory: Where it is.
        index: What it holds.
    """

    directory: Path
    index: Index

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The dataset in ``directory``.

        Raises:
            TrainingError: There is none, or it is damaged.
        """
        try:
            return cls(directory, Index.model_validate_json((directory / FILE).read_bytes()))
        except (OSError, ValidationError) as error:
            raise data_error("data.format", f"the dataset has no usable {FILE}") from error

    def rows(self, split: str) -> int:
        """Rows of a split; 0 if there is none of that name."""
        return self.index.rows.get(split, 0)

    def column(self, name: str) -> Column:
        """A column's description.

        Raises:
            TrainingError: There is none of that name.
        """
        for column in self.index.columns:
            if column.name == name:
                return column
        raise data_error("data.column", f"the dataset has no column {name!r}")

    def numbers(self, name: str, split: str) -> NDArray[np.float64]:
        """Values of a number column, shape (rows,), NaN where missing.

        Raises:
            TrainingError: No such column, or it holds labels.
        """
        if self.column(name).encoding is not Encoding.NUMBER:
            raise data_error(
                "data.kind", f"column {name!r} holds labels where numbers are needed: leave it out of the features"
            )
        return self._array(name, split)

    def labels(self, name: str, split: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Codes of a label column, shape (rows,), -1 where missing, and what they stand for.

        Raises:
            TrainingError: No such column, or it holds numbers.
        """
        column = self.column(name)
        if column.encoding is not Encoding.LABEL:
            raise data_error("data.kind", f"column {name!r} holds numbers where class labels are needed")
        return self._array(name, split), column.labels

    def _array(self, name: str, split: str) -> NDArray[Any]:
        place = [column.name for column in self.index.columns].index(name)
        encoding = self.index.columns[place].encoding
        if split not in self.index.rows:
            return np.zeros(0, encoding.dtype)
        try:
            array: NDArray[Any] = np.load(self.directory / split / f"{place}.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise data_error("data.format", f"the {split} part of column {name!r} cannot be read") from error
        if array.dtype != encoding.dtype or array.shape != (self.rows(split),):
            raise data_error("data.format", f"the {split} part of column {name!r} is not what {FILE} says")
        return array


def write_dataset(directory: Path, index: Index, arrays: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    """Write a dataset.

    Args:
        directory: Where to; made if missing.
        index: What it holds.
        arrays: Split -> column name -> values, of the encoding's dtype.
    """
    for split in index.rows:
        (directory / split).mkdir(parents=True, exist_ok=True)
        for place, column in enumerate(index.columns):
            values = np.ascontiguousarray(arrays[split][column.name], column.encoding.dtype)
            np.save(directory / split / f"{place}.npy", values, allow_pickle=False)
    (directory / FILE).write_text(json.dumps(index.model_dump(mode="json")), encoding="utf-8")
