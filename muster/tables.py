"""Rows to predict for, in the forms in which people have them, as a worker reads them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bus.errors import Invalid, NotFound
from bus.suggestions import did_you_mean
from training.categories.tabular import Task
from training.dataset import Column, Encoding, Index, write_dataset

SPLIT: Final = "test"
_WORDS: Final = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}

Cells = Sequence[Any] | NDArray[Any]


def lay_out(rows: Any, task: Task, directory: Path) -> int:  # noqa: ANN401 - a data frame is of no type that we know
    """Write rows as a dataset that a worker can predict for; returns how many there are.

    Args:
        rows: A CSV file with a header; a data frame, or a mapping of columns; or an array of shape (rows, features)
            with the columns in the order of ``task.features``. Columns that are no feature are passed over. Numbers
            may be written as text; an empty cell, ``None`` and NaN are missing; true, yes, false and no are 1 and 0.
        task: What the model learnt.
        directory: Where to.

    Raises:
        NotFound: There is no such file.
        Invalid: A column is missing, or a cell is no number; the message says where.
    """
    columns = _columns(rows, task.features)
    counts = {len(cells) for cells in columns.values()}
    if len(counts) != 1:
        raise Invalid(
            f"columns of different length: {sorted(counts)} cells; give each a cell for every row", code="predict.rows"
        )
    words = task.prepared.words
    described: list[Column] = []
    arrays: dict[str, NDArray[Any]] = {}
    for name in task.features:
        if name in words:
            arrays[name], labels = _coded(columns[name])
            described.append(Column(name=name, encoding=Encoding.LABEL, labels=labels))
        else:
            arrays[name] = _numbers(columns[name], name)
            described.append(Column(name=name, encoding=Encoding.NUMBER))
    (count,) = counts
    write_dataset(directory, Index(rows={SPLIT: count}, columns=tuple(described)), {SPLIT: arrays})
    return count


def _columns(rows: Any, features: Sequence[str]) -> dict[str, Cells]:  # noqa: ANN401 - as above
    if isinstance(rows, str | Path):
        rows = _read(Path(rows).expanduser())
    if isinstance(rows, Mapping) or hasattr(rows, "columns"):
        names = [str(name) for name in (rows if isinstance(rows, Mapping) else rows.columns)]
        missing = [name for name in features if name not in names]
        if missing:
            told = "; ".join(f"{name!r} ({did_you_mean(name, names)})" for name in missing[:5])
            raise Invalid(f"the rows have no column {told}", code="predict.columns")
        return {name: np.asarray(rows[name], object) for name in features}
    array = np.asarray(rows)
    if array.ndim != 2 or array.shape[1] != len(features):
        raise Invalid(
            f"an array of shape {array.shape} where (rows, {len(features)}) is expected, with the columns in this "
            f"order: {', '.join(features)}",
            code="predict.rows",
        )
    return {name: array[:, place] for place, name in enumerate(features)}


def _read(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *lines = csv.reader(file, strict=True)
        return dict(zip(header, map(list, zip(*lines, strict=True)), strict=True)) if lines else {n: [] for n in header}
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", code="predict.missing") from None
    except (OSError, ValueError, csv.Error) as error:
        raise Invalid(
            f"{path} cannot be read as CSV with a header and as many cells in every line: {error}", code="predict.rows"
        ) from error


def _numbers(cells: Cells, name: str) -> NDArray[np.float64]:
    values = np.empty(len(cells), np.float64)
    for row, cell in enumerate(cells):
        try:
            values[row] = np.nan if missing(cell) else _number(cell)
        except (TypeError, ValueError):
            raise Invalid(
                f"row {row + 1} of column {name!r} holds {str(cell)[:40]!r} where a finite number is expected; leave a "
                "missing one empty",
                code="predict.cell",
            ) from None
    return values


def _number(cell: Any) -> float:  # noqa: ANN401 - what is no number raises TypeError or ValueError
    value = _WORDS.get(cell.strip().lower()) if isinstance(cell, str) else None
    found = float(cell) if value is None else value
    if not np.isfinite(found):
        raise ValueError
    return found


def _coded(cells: Cells) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    codes: dict[str, int] = {}
    words = (None if missing(cell) else _word(cell) for cell in cells)
    found = [-1 if word is None else codes.setdefault(word, len(codes)) for word in words]
    return np.array(found, np.int32), tuple(codes)


def _word(cell: object) -> str:
    """As the edges call it: see ``edge_daemon.export``."""
    return ("false", "true")[bool(cell)] if isinstance(cell, bool | np.bool_) else str(cell)


def missing(cell: object) -> bool:
    """Whether a cell is empty, ``None``, NaN or pandas' NA."""
    # pandas' NA refuses to say whether it is equal to anything; NaN alone is not equal to itself.
    if cell is None or type(cell).__name__ == "NAType":
        return True
    return cell == "" if isinstance(cell, str) else isinstance(cell, float | np.floating) and bool(np.isnan(cell))
