"""From the text of a cell to a typed value, strictly: what is not plainly right is refused, never bent.

- Integers: decimal digits with an optional sign, within the type's range. ``1.0``, ``1e3`` and ``1_000`` are not.
- Reals: finite. A DECIMAL has at most its declared digits, and at most 15 in all, because reals are kept in binary64,
  which holds 15 decimal digits exactly. FLOAT bounds the magnitude; the value is not rounded to 32 bits. ``-0`` is
  ``0``.
- Booleans: true, false, yes, no, 1, 0; case is ignored.
- Dates and times: ISO 8601 in its extended form (``2024-03-01``, ``2024-03-01T12:30:00.5``), years 1000 to 9999.
  A DATETIME is the clock on the wall and has no offset. A TIMESTAMP is a moment: its offset is taken off, and
  without one it is in UTC.
- Text: as it stands, within the length. TEXT holds 65,535 bytes of UTF-8.
- Missing: the empty string and the configured null tokens, compared exactly, whatever the type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, time
from typing import Final, TypeAlias

from bus.errors import Invalid
from bus.events.datasets import ColumnKind
from ingest.domain.records import Fault, Record, Row, Value, excerpt
from ingest.domain.schema import Column, Schema
from ingest.domain.sql_type import INTEGER_BITS, SqlName, SqlType

Parser: TypeAlias = Callable[[str], Value]
"""Text of a cell that is not missing -> value; raises ``CellRefused``."""

MAX_TEXT_BYTES: Final = 65_535
"""Of UTF-8 in a TEXT column."""
MAX_FLOAT: Final = 3.4028234663852886e38
"""Largest finite binary32 number."""
MIN_YEAR: Final = 1000
"""MySQL promises nothing for earlier ones."""

_EXACT_DIGITS: Final = 15
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
_REAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
_FIXED: Final = re.compile(r"[+-]?([0-9]*)(?:\.([0-9]*))?")
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK: Final = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_DATE: Final = re.compile(_DAY)
_TIME: Final = re.compile(_CLOCK)
_DATETIME: Final = re.compile(f"{_DAY}(?:[T ]{_CLOCK})?")
_TIMESTAMP: Final = re.compile(f"{_DAY}(?:[T ]{_CLOCK}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?")
_FRACTION: Final = re.compile(r"\.([0-9]{1,6})")
_TRUE: Final = frozenset({"true", "yes", "1"})
_FALSE: Final = frozenset({"false", "no", "0"})


class CellRefused(Invalid):
    """A cell does not hold what its column expects. The message says what was expected, not what was found."""

    family = "invalid"


def parser(sql_type: SqlType) -> Parser:
    """How to read a cell of ``sql_type``."""
    match sql_type.kind:
        case ColumnKind.INTEGER:
            return _integers(sql_type)
        case ColumnKind.REAL:
            return _decimals(sql_type) if sql_type.precision is not None else _reals(sql_type)
        case ColumnKind.BOOLEAN:
            return _boolean
        case ColumnKind.TEXT:
            return _texts(sql_type)
        case ColumnKind.TIMESTAMP:
            return _MOMENTS[sql_type.name]


class RowParser:
    """Reads the cells of rows.

    Args:
        schema: What is expected; also the order of the values.
        positions: For each column of the schema, its place in the file's rows.
        width: Cells in a row, as the header has them.
        null_tokens: Texts besides the empty one that mean a missing value.
    """

    def __init__(self, schema: Schema, positions: Sequence[int], width: int, null_tokens: Collection[str]) -> None:
        self._width = width
        self._nulls = frozenset(null_tokens) | {""}
        self._columns = [
            (place, column, parser(column.type)) for place, column in zip(positions, schema.columns, strict=True)
        ]

    def parse(self, row: Row) -> Record:
        """The record in ``row``; what cannot be read is told as faults, not raised."""
        if len(row.cells) != self._width:
            found = excerpt(f"{len(row.cells)} cells")
            return Record(row.line, (), (Fault("row.ragged", f"{self._width} cells, as in the header", found),))
        faults: list[Fault] = []
        values: list[Value | Fault] = []
        for place, column, parse in self._columns:
            text = row.cells[place]
            try:
                values.append(self._value(column, parse, text))
            except CellRefused as refused:
                faults.append(Fault(refused.code, refused.message, excerpt(text), column.name))
                values.append(faults[-1])
        return Record(row.line, tuple(values), tuple(faults))

    def _value(self, column: Column, parse: Parser, text: str) -> Value:
        if text not in self._nulls:
            return parse(text)
        if column.nullable:
            return None
        raise CellRefused(f"a value: the column is {column}", code="cell.null")


def _integers(sql_type: SqlType) -> Parser:
    most = 2 ** (INTEGER_BITS[sql_type.name] - 1) - 1
    expected = f"{sql_type}: a whole number from {-most - 1} to {most}"

    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise CellRefused(expected, code="cell.integer")
        value = int(text)
        if not -most - 1 <= value <= most:
            raise CellRefused(expected, code="cell.range")
        return value

    return parse


def _reals(sql_type: SqlType) -> Parser:
    most = MAX_FLOAT if sql_type.name is SqlName.FLOAT else math.inf

    def parse(text: str) -> float:
        if not _REAL.fullmatch(text):
            raise _not_real(sql_type, text)
        value = float(text) + 0.0  # -0.0 becomes 0.0: databases do not keep the difference
        if not math.isfinite(value) or abs(value) > most:
            raise CellRefused(f"{sql_type}: a number that the type can hold", code="cell.range")
        return value

    return parse


def _decimals(sql_type: SqlType) -> Parser:
    assert sql_type.precision is not None
    assert sql_type.scale is not None
    places, before = sql_type.scale, sql_type.precision - sql_type.scale

    def parse(text: str) -> float:
        form = _FIXED.fullmatch(text)
        if form is None or not any(form.groups()):
            raise _not_real(sql_type, text)
        whole, fraction = form.group(1).lstrip("0"), (form.group(2) or "").rstrip("0")
        if len(whole) > before or len(fraction) > places:
            raise CellRefused(f"{sql_type}: {before} digits before the point, {places} after it", code="cell.range")
        if len((whole + fraction).strip("0")) > _EXACT_DIGITS:
            raise CellRefused(f"at most {_EXACT_DIGITS} significant digits; declare text for more", code="cell.digits")
        return float(text) + 0.0

    return parse


def _not_real(sql_type: SqlType, text: str) -> CellRefused:
    if _NOT_FINITE.fullmatch(text):
        expected = "a finite number; for a missing value leave the cell empty, or name the token in null_tokens"
        return CellRefused(f"{sql_type}: {expected}", code="cell.finite")
    return CellRefused(f"{sql_type}: a number with a decimal point", code="cell.real")


def _boolean(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise CellRefused("true, false, yes, no, 1 or 0", code="cell.boolean")


def _texts(sql_type: SqlType) -> Parser:
    length = sql_type.length

    def parse(text: str) -> str:
        if length is not None and len(text) > length:
            raise CellRefused(f"{sql_type}: at most {length} characters", code="cell.length")
        if length is None and len(text) * 4 > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
            raise CellRefused(f"TEXT: at most {MAX_TEXT_BYTES} bytes", code="cell.length")
        return text

    return parse


def _date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise CellRefused("DATE: year-month-day, e.g. 2024-03-01", code="cell.date")
    return _moment(text).date()


def _datetime(text: str) -> datetime:
    if not _DATETIME.fullmatch(text):
        hint = "ISO 8601 without an offset, e.g. 2024-03-01T12:30:00; declare TIMESTAMP for moments with one"
        raise CellRefused(f"DATETIME: {hint}", code="cell.datetime")
    return _moment(text)


def _timestamp(text: str) -> datetime:
    if not _TIMESTAMP.fullmatch(text):
        raise CellRefused("TIMESTAMP: ISO 8601, e.g. 2024-03-01T12:30:00+01:00", code="cell.timestamp")
    return _moment(text)


def _moment(text: str) -> datetime:
    """A naive datetime; one with an offset is turned to UTC."""
    try:
        value = datetime.fromisoformat(_microseconds(text))
        if value.tzinfo is not None:
            value = value.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise CellRefused("a day and a time that exist", code="cell.calendar") from error
    if value.year < MIN_YEAR:
        raise CellRefused(f"a year from {MIN_YEAR} to 9999", code="cell.calendar")
    return value


def _time(text: str) -> time:
    if not _TIME.fullmatch(text):
        raise CellRefused("TIME: hours:minutes[:seconds], e.g. 12:30:00", code="cell.time")
    try:
        return time.fromisoformat(_microseconds(text))
    except ValueError as error:
        raise CellRefused("a time of day that exists", code="cell.calendar") from error


def _microseconds(text: str) -> str:
    """``text`` with the fraction of a second, if any, in six digits."""
    return _FRACTION.sub(lambda found: f".{found.group(1):0<6}", text)


_MOMENTS: Final[dict[SqlName, Parser]] = {
    SqlName.DATE: _date,
    SqlName.DATETIME: _datetime,
    SqlName.TIMESTAMP: _timestamp,
    SqlName.TIME: _time,
}
