"""Rows as people have them, as the CSV files that edges take in."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bus.errors import Invalid, NotFound
from muster.tables import missing

_EVERY: Final = 4
"""Of so many rows the last is kept for tests."""


def written(rows: Any, folder: Path, edge: str) -> dict[str, Path]:  # noqa: ANN401 - a data frame is of no type that we know
    """Files of one edge: ``train`` and ``test`` -> path.

    Args:
        rows: See ``muster.testing.federation``.
        folder: Where to; made if missing.
        edge: Whose they are, for messages.

    Raises:
        NotFound: There is no such file.
        Invalid: It is neither a data frame nor a CSV file, nor two of them.
    """
    if isinstance(rows, tuple):
        if len(rows) != 2:
            raise Invalid(f"the rows of {edge} are {len(rows)} parts: give two, train and test", code="testing.rows")
        parts = {split: _table(part, edge) for split, part in zip(("train", "test"), rows, strict=True)}
    else:
        head, *lines = _table(rows, edge)
        kept = lines[_EVERY - 1 :: _EVERY]
        parts = {"train": [head, *(line for n, line in enumerate(lines) if n % _EVERY != _EVERY - 1)]}
        parts |= {"test": [head, *kept]} if kept else {}
    folder.mkdir(parents=True, exist_ok=True)
    return {split: _write(folder / f"{split}.csv", lines) for split, lines in parts.items()}


def _table(rows: Any, edge: str) -> list[Sequence[str]]:  # noqa: ANN401 - as above
    """A header and lines of cells as text; an empty one is missing."""
    if isinstance(rows, str | Path):
        try:
            with Path(rows).expanduser().open(newline="", encoding="utf-8-sig") as file:
                found: list[Sequence[str]] = list(csv.reader(file, strict=True))
        except FileNotFoundError:
            raise NotFound(f"there is no file {rows}, the rows of {edge}", code="testing.missing") from None
        except (OSError, ValueError, csv.Error) as error:
            raise Invalid(f"the rows of {edge}, {rows}, cannot be read as CSV: {error}", code="testing.rows") from error
    elif hasattr(rows, "columns") and hasattr(rows, "itertuples"):
        found = [list(map(str, rows.columns)), *_cells(rows)]
    else:
        raise Invalid(
            f"the rows of {edge} are of type {type(rows).__name__}: give a data frame, a CSV file, or a pair of them",
            code="testing.rows",
        )
    if not found:
        raise Invalid(f"the rows of {edge} have no header", code="testing.rows")
    return found


def _cells(frame: Any) -> Iterator[list[str]]:  # noqa: ANN401 - as above
    for row in frame.itertuples(index=False, name=None):
        yield [_text(cell) for cell in row]


def _text(cell: Any) -> str:  # noqa: ANN401 - whatever a data frame holds
    if missing(cell) or type(cell).__name__ == "NaTType":
        return ""
    return str(cell.item() if isinstance(cell, np.generic) else cell)


def _write(path: Path, lines: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path
