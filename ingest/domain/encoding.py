"""The digest of rows: one canonical encoding, whatever the file or the database looked like.

::

    sha256( msgpack(["muster-rows-v1", [[name, kind], ...]])  msgpack([cell, ...])  msgpack([cell, ...]) ... )

Columns in the schema's order, rows in their order. A cell is nil, an integer, a binary64, a boolean or a string; dates
and times are strings in ISO 8601. Every part delimits itself, so no two tables share an encoding. Quoting, line ends,
column order in the file and the wording of numbers (``1.50``) do not count.

Privacy: the digest leaves the site and has no salt, so that the same rows have the same digest everywhere and after
every restart. It tells nothing of the rows by itself, but whoever can guess *all* rows of a split, in order, can
confirm the guess: of a split of a few rows of few possible values that may be feasible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, time
from typing import Any, Final

import msgpack

from bus.events.base import Digest
from bus.events.datasets import ColumnKind
from ingest.domain.records import Value, Values
from ingest.domain.schema import Schema

_FORM: Final = "muster-rows-v1"


class RowDigest:
    """A running digest of rows.

    Args:
        schema: Their columns.
    """

    def __init__(self, schema: Schema) -> None:
        columns = [[column.name, column.kind.value] for column in schema.columns]
        self._hash = hashlib.sha256(_packed([_FORM, columns]))
        self._plain = all(column.kind is not ColumnKind.TIMESTAMP for column in schema.columns)

    def add(self, rows: Iterable[Values]) -> None:
        """Take in ``rows``, in order."""
        for row in rows:
            self._hash.update(_packed(row if self._plain else [_plain(value) for value in row]))

    def digest(self) -> Digest:
        """Of all rows so far; more may follow."""
        return Digest(f"sha256:{self._hash.hexdigest()}")


def _plain(value: Value) -> Value:
    return value.isoformat() if isinstance(value, date | time) else value


def _packed(value: Any) -> bytes:  # noqa: ANN401 - msgpack takes anything
    packed: bytes = msgpack.packb(value)
    return packed
