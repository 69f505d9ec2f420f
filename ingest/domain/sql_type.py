"""The SQL types that a column may have, and the kind that each means.

A type bounds what a cell may hold. What it costs on disk is the store's business, which keeps every value of
one kind in one way, so that it comes back the same from SQLite and from MariaDB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bus.errors import Invalid
from bus.events.datasets import ColumnKind
from bus.suggestions import did_you_mean


class SqlName(StrEnum):
    """Names of SQL types; the set is closed."""

    VARCHAR = "VARCHAR"
    CHAR = "CHAR"
    TEXT = "TEXT"
    INT = "INT"
    INTEGER = "INTEGER"
    TINYINT = "TINYINT"
    SMALLINT = "SMALLINT"
    MEDIUMINT = "MEDIUMINT"
    BIGINT = "BIGINT"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    NUMERIC = "NUMERIC"
    BOOLEAN = "BOOLEAN"
    BOOL = "BOOL"
    DATE = "DATE"
    DATETIME = "DATETIME"
    TIMESTAMP = "TIMESTAMP"
    TIME = "TIME"


INTEGER_BITS: Final = {
    SqlName.TINYINT: 8,
    SqlName.SMALLINT: 16,
    SqlName.MEDIUMINT: 24,
    SqlName.INT: 32,
    SqlName.INTEGER: 32,
    SqlName.BIGINT: 64,
}
"""Width in bits of the integer types; all are signed."""

_LENGTH: Final = {SqlName.VARCHAR: (255, 16_383), SqlName.CHAR: (1, 255)}
"""Length in characters: when none is given (CHAR alone is one character, as in SQL), and the most that MySQL takes."""
_DECIMALS: Final = frozenset({SqlName.DECIMAL, SqlName.NUMERIC})
_MOMENTS: Final = frozenset({SqlName.DATETIME, SqlName.TIMESTAMP, SqlName.TIME})
_MAX_PRECISION, _MAX_SCALE, _MAX_FRACTION = 65, 30, 6
_FORM: Final = re.compile(r"\s*([A-Za-z]+)\s*(?:\(\s*([0-9]{1,6})\s*(?:,\s*([0-9]{1,6})\s*)?\))?\s*")

_KINDS: Final = {
    ColumnKind.TEXT: {SqlName.VARCHAR, SqlName.CHAR, SqlName.TEXT},
    ColumnKind.INTEGER: set(INTEGER_BITS),
    ColumnKind.REAL: {SqlName.FLOAT, SqlName.DOUBLE, *_DECIMALS},
    ColumnKind.BOOLEAN: {SqlName.BOOLEAN, SqlName.BOOL},
    ColumnKind.TIMESTAMP: {SqlName.DATE, *_MOMENTS},
}
_KIND: Final = {name: kind for kind, names in _KINDS.items() for name in names}


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type with its bounds.

    Attributes:
        name: Which type.
        length: Characters at most; VARCHAR and CHAR only.
        precision: Digits in all; DECIMAL and NUMERIC only.
        scale: Digits after the point; DECIMAL and NUMERIC only.
    """

    name: SqlName
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    @classmethod
    def parse(cls, text: str) -> SqlType:
        """The type that ``text`` names, e.g. ``VARCHAR(255)`` or ``decimal(10,2)``.

        The display width of an integer (``INT(11)``) and the fractional digits of a moment (``DATETIME(3)``) are
        taken and dropped: integers have no width, moments always keep microseconds.

        Raises:
            Invalid: No such type, or arguments that it does not take.
        """
        form = _FORM.fullmatch(text)
        word = form.group(1).upper() if form else text.strip()
        if form is None or word not in SqlName.__members__:
            raise Invalid(f"{text[:80]!r} is not a known SQL type; {did_you_mean(word, SqlName)}", code="schema.type")
        first, second = (int(group) if group else None for group in form.group(2, 3))
        return cls._bounded(SqlName(word), first, second, text)

    @classmethod
    def _bounded(cls, name: SqlName, first: int | None, second: int | None, text: str) -> SqlType:
        if name in _DECIMALS:
            return cls._decimal(name, 10 if first is None else first, second or 0)
        if second is not None:
            raise _misfit(text, f"{name} takes no second argument")
        if name in _LENGTH:
            default, most = _LENGTH[name]
            length = default if first is None else first
            if not 1 <= length <= most:
                raise _misfit(text, f"a length of 1 to {most} characters; use TEXT for more")
            return cls(name, length=length)
        dropped = name in INTEGER_BITS or (name in _MOMENTS and (first or 0) <= _MAX_FRACTION)
        if first is not None and not dropped:
            raise _misfit(text, f"{name} without an argument" if name not in _MOMENTS else f"at most {name}(6)")
        return cls(name)

    @classmethod
    def _decimal(cls, name: SqlName, precision: int, scale: int) -> SqlType:
        if not (1 <= precision <= _MAX_PRECISION and scale <= min(precision, _MAX_SCALE)):
            raise _misfit(
                f"{name}({precision},{scale})", f"1 to {_MAX_PRECISION} digits, at most {_MAX_SCALE} decimals"
            )
        return cls(name, precision=precision, scale=scale)

    @property
    def kind(self) -> ColumnKind:
        """What a column of this type holds."""
        return _KIND[self.name]

    def __str__(self) -> str:
        if self.length is not None:
            return f"{self.name}({self.length})"
        if self.precision is not None:
            return f"{self.name}({self.precision},{self.scale})"
        return str(self.name)


def _misfit(text: str, expected: str) -> Invalid:
    return Invalid(f"SQL type {text.strip()[:80]!r} is not usable: expected {expected}", code="schema.type")
