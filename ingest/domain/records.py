"""Rows on their way in: as the reader found them, and with their cells read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, NewType, TypeAlias

Value: TypeAlias = int | float | bool | str | date | datetime | time | None
"""What a cell holds: ``None`` when missing; a TIMESTAMP is a naive ``datetime`` in UTC."""
Values: TypeAlias = tuple[Value, ...]
"""The cells of one row, in the schema's order."""
LocalText = NewType("LocalText", str)
"""Text out of the owner's file. It never leaves the owner's site: no event, no log, no error message holds it."""

_EXCERPT: Final = 40


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the reader found it.

    Attributes:
        line: Line of the file on which it starts, from 1.
        cells: Text of each cell, in the file's order.
    """

    line: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a cell, or a row, cannot be read.

    Attributes:
        code: Which rule it breaks.
        expected: What would have been right.
        found: The cell, cut to 40 characters.
        column: Name of the column; ``None`` for the row as a whole.
    """

    code: str
    expected: str
    found: LocalText
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A row with its cells read.

    Attributes:
        line: Line of the file on which the row starts, from 1.
        values: In the schema's order; a ``Fault`` where a cell could not be read; empty when the row has another
            number of cells than the header.
        faults: All of them; empty for a good row.
    """

    line: int
    values: tuple[Value | Fault, ...]
    faults: tuple[Fault, ...] = ()


def excerpt(text: str) -> LocalText:
    """``text`` cut to 40 characters."""
    return LocalText(text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…")
