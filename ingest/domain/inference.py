"""A schema from the data itself.

Every cell of the files is looked at. A cell rules out the types that it cannot be; a column has the first type that
no cell ruled out, in this order::

    BIGINT, DOUBLE, BOOLEAN, DATE, DATETIME, TIMESTAMP, TIME, VARCHAR(255), TEXT

So ``0`` and ``1`` alone are integers; together with ``true`` or ``no`` they are booleans; whole numbers among reals
are reals. Types are wide on purpose: the training part, the test part and other sites shall come to the same schema.

Text wins whenever a reading could be wrong: digits with a leading zero (postal codes, identifiers), whole numbers
beyond 64 bits or, among reals, beyond what binary64 holds exactly, dates in any form but ISO 8601 (``03/04/2024``),
and moments of which some have an offset and some have none. So does a column without any value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from enum import Flag, auto
from functools import reduce
from operator import or_
from typing import Final

from bus.errors import Invalid
from ingest.domain.records import Row
from ingest.domain.schema import Column, Schema, name_problem, repeated
from ingest.domain.sql_type import SqlName, SqlType
from ingest.domain.values import CellRefused, Parser, parser

_VARCHAR: Final = 255
_LEADING_ZERO: Final = re.compile(r"[+-]?0[0-9]+")
_OFFSET: Final = re.compile(r".*:.*(?:Z|[+-][0-9]{2}:[0-9]{2})", re.DOTALL)


class Reading(Flag):
    """Types that the cells seen so far could be, besides text."""

    BIGINT = auto()
    DOUBLE = auto()
    BOOLEAN = auto()
    DATE = auto()
    DATETIME = auto()
    TIMESTAMP = auto()
    TIME = auto()


_NONE: Final = Reading(0)
_ANY: Final = reduce(or_, Reading)
_PARSERS: Final[tuple[tuple[Reading, Parser], ...]] = tuple(
    (reading, parser(SqlType(SqlName(reading.name or "")))) for reading in Reading
)
_SHORT: Final = 40
"""Characters; nothing longer is a number or a moment worth telling from text."""


class Inference:
    """Looks at the rows of one or more files and says what the columns hold: ``turn_to`` a file, ``see`` its rows.

    Args:
        header: Column names of the first file, in order; they are the columns of the schema.
        declared: Columns whose type is known; they are not looked at.
        ignored: Names of columns that are left out.
        null_tokens: Texts besides the empty one that mean a missing value.
    """

    def __init__(
        self,
        header: Sequence[str],
        *,
        declared: Mapping[str, Column],
        ignored: Collection[str] = (),
        null_tokens: Collection[str] = (),
    ) -> None:
        self._names = [name for name in header if name not in ignored]
        self._declared = declared
        self._known = {*declared, *ignored}
        self._nulls = frozenset(null_tokens) | {""}
        self._readings = dict.fromkeys((name for name in self._names if name not in declared), _ANY)
        self._longest = dict.fromkeys(self._readings, 0)
        self._empty = set(self._readings)
        self._places: list[tuple[int, str]] = []

    def turn_to(self, header: Sequence[str]) -> None:
        """The rows to be seen next are of a file with this header. What it lacks or adds: validation will tell.

        Raises:
            Invalid: A name is not usable, or looks like a value.
        """
        check_header(header, known=self._known)
        self._places = [(place, name) for place, name in enumerate(header) if name in self._readings]

    def see(self, row: Row) -> None:
        """Look at one row. Cells that a short row lacks are passed over: validation will tell."""
        for place, name in self._places:
            text = row.cells[place] if place < len(row.cells) else ""
            if text in self._nulls:
                continue
            self._empty.discard(name)
            self._longest[name] = max(self._longest[name], len(text))
            if possible := self._readings[name]:
                self._readings[name] = readings(text, possible)

    def schema(self) -> Schema:
        """The schema that fits all rows seen: declared columns as they are, the others nullable.

        Raises:
            Invalid: There are no columns, or too many.
        """
        columns = {name: self._declared.get(name) or self._column(name) for name in self._names}
        absent = [column for name, column in self._declared.items() if name not in columns]
        return Schema((*columns.values(), *absent))

    def _column(self, name: str) -> Column:
        possible = _NONE if name in self._empty else self._readings[name]
        for reading in Reading:
            if reading in possible:
                return Column(name, SqlType(SqlName(reading.name or "")))
        short = self._longest[name] <= _VARCHAR
        return Column(name, SqlType(SqlName.VARCHAR, length=_VARCHAR) if short else SqlType(SqlName.TEXT))


def readings(text: str, among: Reading = _ANY) -> Reading:
    """What ``text`` could be of the types in ``among``."""
    if len(text) > _SHORT or _LEADING_ZERO.fullmatch(text):
        return _NONE
    found = _NONE
    for reading, parse in _PARSERS:
        if reading in among and _reads(text, reading, parse):
            found |= reading
    return found


def _reads(text: str, reading: Reading, parse: Parser) -> bool:
    try:
        value = parse(text)
    except CellRefused:
        return False
    if reading is Reading.DOUBLE and isinstance(value, float) and text.lstrip("+-").isdecimal():
        return int(value) == int(text)
    return reading is not Reading.TIMESTAMP or _OFFSET.fullmatch(text) is not None


def check_header(header: Sequence[str], known: Collection[str] = ()) -> None:
    """Refuse a header whose names cannot be used, or that looks like data: names leave the site as metadata.

    Args:
        header: The first record of the file.
        known: Names that the owner has written elsewhere; these are right even if they look like values.

    Raises:
        Invalid: A name is not usable, occurs twice, or reads as a number, a boolean or a moment. No name is in the
            message, since it may be a row's value.
    """
    twice = repeated(header)
    for place, name in enumerate(header, start=1):
        if name in known:
            continue
        problem = name_problem(name) or ("it occurs more than once" if name in twice else None)
        if problem:
            raise Invalid(f"the name in column {place} of the header is not usable: {problem}", code="header.name")
        if readings(name) or _LEADING_ZERO.fullmatch(name):
            raise Invalid(
                f"the name in column {place} of the header looks like a value: is the first line already data? "
                "Add a header line, or declare the schema if the column is really named so",
                code="header.data",
            )
