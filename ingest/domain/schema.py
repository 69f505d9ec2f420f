"""Columns of a dataset and their types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bus.errors import Invalid
from bus.events.datasets import ColumnKind
from ingest.domain.sql_type import SqlType

MAX_COLUMNS: Final = 980
"""InnoDB fits 987 numbers beside the store's own columns into half a page of 16 KiB; of text columns it fits 379."""
MAX_NAME: Final = 64
"""Characters in a column's name."""
RESERVED: Final = "_muster"
"""No column's name starts with this, in any case."""

_NOT_NULL: Final = re.compile(r"(.*?)(\s+not\s+null|\s+null)?\s*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: As in the file's header: 1 to 64 printable characters, no space at either end.
        type: Bounds of its values.
        nullable: Whether a cell may be missing.
    """

    name: str
    type: SqlType
    nullable: bool = True

    def __post_init__(self) -> None:
        problem = name_problem(self.name)
        if problem:
            raise Invalid(f"column name {self.name[:80]!r} is not usable: {problem}", code="schema.name")

    @classmethod
    def parse(cls, name: str, text: str) -> Column:
        """A column from its name and its type, which may end in ``NOT NULL``.

        Raises:
            Invalid: The name or the type is not usable; the message names the column.
        """
        form = _NOT_NULL.fullmatch(text)
        assert form is not None
        suffix = (form.group(2) or "").casefold()
        try:
            sql_type = SqlType.parse(form.group(1))
        except Invalid as error:
            raise Invalid(f"column {name[:80]!r}: {error.message}", code=error.code) from error
        return cls(name, sql_type, nullable="not" not in suffix)

    @property
    def kind(self) -> ColumnKind:
        """What it holds."""
        return self.type.kind

    def __str__(self) -> str:
        return str(self.type) + ("" if self.nullable else " NOT NULL")


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a dataset, in the order in which they are stored."""

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.columns) <= MAX_COLUMNS:
            raise Invalid(
                f"a schema of {len(self.columns)} columns: expected 1 to {MAX_COLUMNS}; split wider data, or reduce it",
                code="schema.width",
            )
        twice = repeated(self.names)
        if twice:
            raise Invalid(f"columns named twice in the schema: {', '.join(map(repr, twice))}", code="schema.duplicate")

    @classmethod
    def parse(cls, types: Mapping[str, str]) -> Schema:
        """A schema from column names and types as text.

        Raises:
            Invalid: A name or a type is not usable; the message names the column.
        """
        return cls(tuple(Column.parse(name, text) for name, text in types.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def position(self, name: str) -> int | None:
        """Place of a column, from 0; ``None`` when there is none of that name."""
        return self.names.index(name) if name in self.names else None

    def differences(self, stored: Schema) -> list[str]:
        """Where this schema differs from the ``stored`` one, in words; the order of columns does not count."""
        here, there = ({column.name: str(column) for column in schema.columns} for schema in (self, stored))
        changed = [name for name in here if there.get(name, here[name]) != here[name]]
        lines = [f"{name!r} is {here[name]} here, {there[name]} there" for name in changed]
        lines += [f"{name!r} is new" for name in here if name not in there]
        return lines + [f"{name!r} is missing" for name in there if name not in here]


def name_problem(name: str) -> str | None:
    """Why ``name`` cannot be a column's name; ``None`` if it can."""
    if not 1 <= len(name) <= MAX_NAME:
        return f"expected 1 to {MAX_NAME} characters, found {len(name)}"
    if not name.isprintable():
        return "it holds control or invisible characters"
    if name != name.strip():
        return "it starts or ends with a space"
    if name.casefold().startswith(RESERVED):
        return f"names that start with {RESERVED!r} are reserved"
    return None


def repeated(names: Iterable[str]) -> list[str]:
    """Names that occur more than once, each once, in order."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [name for name, times in seen.items() if times > 1]
