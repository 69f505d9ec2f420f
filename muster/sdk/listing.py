"""Lists that read well: at a prompt, in a terminal, in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Final, Generic, TypeVar, overload

from rich import markup
from rich.console import Console, RenderableType
from rich.table import Table

from muster.telling.display import table

T = TypeVar("T")
_WIDTH: Final = 200
Columns = Mapping[str, Callable[[T], object]]
"""Heading -> what stands below it for one entry."""


class Listing(Sequence[T], Generic[T]):
    """A list of ``T`` that shows itself as a table.

    Args:
        entries: What it holds.
        columns: What is shown of each.
        empty: What is said if there is nothing.
    """

    def __init__(self, entries: Iterable[T], columns: Columns[T], empty: str) -> None:
        self._entries = tuple(entries)
        self._columns = columns
        self._empty = empty

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        return self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def changed(self, change: Callable[[T], T]) -> Listing[T]:
        """The same list of other entries."""
        return Listing(map(change, self._entries), self._columns, self._empty)

    def _rows(self) -> list[list[str]]:
        return [[str(show(entry)) for show in self._columns.values()] for entry in self._entries]

    def __repr__(self) -> str:
        return text_table(list(self._columns), self._rows()) if self._entries else self._empty

    def _repr_html_(self) -> str:
        return html_table(list(self._columns), self._rows()) if self._entries else f"<p>{escape(self._empty)}</p>"


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain text."""
    return text_of(_table((heading.upper() for heading in headings), rows))


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as HTML."""
    return html_of(_table(headings, rows))


def text_of(*parts: RenderableType) -> str:
    """What rich would print, as plain text."""
    console = Console(width=_WIDTH, color_system=None, highlight=False, force_jupyter=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").splitlines())


def html_of(shown: Table) -> str:
    """A table of rich's as HTML; nothing of what the cells say is taken for HTML."""
    columns = [[_plain(cell) for cell in column.cells] for column in shown.columns]
    head = "".join(f"<th>{escape(_plain(column.header).lower())}</th>" for column in shown.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in zip(*columns, strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    made = table(*headings)
    for row in rows:
        made.add_row(*map(markup.escape, row))
    return made


def _plain(cell: RenderableType) -> str:
    return markup.render(cell).plain if isinstance(cell, str) else str(cell)
