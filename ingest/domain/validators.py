"""The validators of tables: header, cells, target, and a few warnings.

``BASIC`` is the registry that an ingest uses unless it is given another; add to it with ``BASIC.plus(...)``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgpack

from bus.events.datasets import ColumnKind
from bus.suggestions import did_you_mean
from ingest.domain.findings import Finding, Severity, error, of_fault, warning
from ingest.domain.profile import LABEL_KINDS, MAX_CLASSES, MAX_LABEL, Category, label, not_a_class
from ingest.domain.records import Fault, Record, Value, excerpt
from ingest.domain.schema import repeated
from ingest.domain.validation import Context, Registry, Validator

DUPLICATES_WITHIN: Final = 1_000_000
"""Different rows that are remembered to find duplicates; bounds memory to about 100 MB."""
_SPARSE: Final = 20
"""Classes above which less than two samples per class, on average, is worth a warning."""


def _header(context: Context) -> Iterator[Finding]:
    twice = repeated(context.header)
    for place, name in enumerate(context.header, start=1):
        known = name in context.schema.names or name in context.ignored
        if name in twice and known:
            yield _heading("header.duplicate", f"the file has several columns {name!r}; rename all but one", name)
        elif not known and not name.strip():
            yield _heading("header.blank", f"column {place} of the file has no name; name it or leave it out", name)
        elif not known:
            hint = did_you_mean(name, context.schema.names)
            yield _heading("header.unknown", f"column {place} of the file is not in the schema; {hint}", name)
    for name in dict.fromkeys(context.schema.names):
        if name not in context.header:
            yield error("header.missing", "the schema has this column, the file has not", column=name)


def _heading(code: str, message: str, name: str) -> Finding:
    return Finding(Severity.ERROR, code, message, 1, None, excerpt(name))


def _target(context: Context) -> Iterator[Finding]:
    place = context.schema.position(context.target)
    if place is None:
        hint = did_you_mean(context.target, context.schema.names)
        yield error("target.missing", f"the target {context.target!r} is not a column of the schema; {hint}")
        return
    column = context.schema.columns[place]
    if context.category.has_classes and column.kind not in LABEL_KINDS:
        yield error(
            "target.kind",
            f"a class must be a whole number, a boolean or text, the column is {column.type}; declare it as such",
            column=context.target,
        )
    if not context.category.has_classes and column.kind not in {ColumnKind.REAL, ColumnKind.INTEGER}:
        yield error("target.kind", f"the target must be numeric, the column is {column.type}", column=context.target)


class _Cells:
    def see(self, record: Record) -> Iterable[Finding]:
        return [of_fault(fault, record.line) for fault in record.faults]

    def end(self) -> Iterable[Finding]:
        return ()


class _Records:
    def __init__(self) -> None:
        self._any = False

    def see(self, record: Record) -> Iterable[Finding]:
        self._any = True
        return ()

    def end(self) -> Iterable[Finding]:
        return () if self._any else [error("records.none", "the file has a header but no records")]


class _TargetPresent:
    def __init__(self, context: Context) -> None:
        self._name = context.target
        self._place = context.schema.names.index(context.target)

    def see(self, record: Record) -> Iterable[Finding]:
        value = record.values[self._place]
        if value is None or (isinstance(value, str) and not value.strip()):
            yield error("target.blank", "expected a value of the target", line=record.line, column=self._name)

    def end(self) -> Iterable[Finding]:
        return ()


class _Labels:
    def __init__(self, context: Context) -> None:
        self._name = context.target
        self._place = context.schema.names.index(context.target)
        self._seen = set(context.known_classes)
        self._rows = sum(context.known_classes.values())
        self._full = False

    def see(self, record: Record) -> Iterable[Finding]:
        value = record.values[self._place]
        if value is None or isinstance(value, Fault) or self._full:
            return
        self._rows += 1
        text = label(value)
        if len(text) > MAX_LABEL:
            yield error(
                "label.long", f"a class label has at most {MAX_LABEL} characters", line=record.line, column=self._name
            )
        self._seen.add(text)
        if len(self._seen) > MAX_CLASSES:
            self._full = True
            yield error("label.many", not_a_class().message, line=record.line, column=self._name)

    def end(self) -> Iterable[Finding]:
        classes = len(self._seen)
        if self._rows and classes < 2:
            yield error("label.diversity", "expected at least two classes, found one", column=self._name)
        if classes > _SPARSE and self._rows < 2 * classes:
            yield warning(
                "label.sparse",
                f"{classes} classes in {self._rows} rows: is this a class column? Class labels leave the site",
                column=self._name,
            )


class _Duplicates:
    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._repeats = 0
        self._first: int | None = None
        self._passed_over = 0

    def see(self, record: Record) -> Iterable[Finding]:
        packed = msgpack.packb(record.values, default=str)
        key = hashlib.blake2b(packed, digest_size=16).digest()
        if key in self._seen:
            self._repeats += 1
            self._first = self._first or record.line
        elif len(self._seen) < DUPLICATES_WITHIN:
            self._seen.add(key)
        else:
            self._passed_over += 1
        return ()

    def end(self) -> Iterable[Finding]:
        if self._repeats:
            yield warning("rows.duplicate", f"{self._repeats} rows repeat an earlier one", line=self._first)
        if self._passed_over:
            yield warning(
                "rows.unchecked",
                f"duplicates were looked for among the first {DUPLICATES_WITHIN} different rows only",
            )


class _Variety:
    """Columns without a value, and columns with one value only."""

    def __init__(self, context: Context) -> None:
        self._names = context.schema.names
        self._first: dict[int, Value | Fault] = {}
        self._open = set(range(len(self._names)))
        self._rows = 0

    def see(self, record: Record) -> Iterable[Finding]:
        self._rows += 1
        for place in tuple(self._open):
            value = record.values[place]
            if value is not None and self._first.setdefault(place, value) != value:
                self._open.discard(place)
        return ()

    def end(self) -> Iterable[Finding]:
        for place in sorted(self._open):
            if self._rows and place not in self._first:
                yield warning("column.empty", "the column has no value at all", column=self._names[place])
            elif self._rows > 1:
                yield warning("column.constant", "the column has one value only", column=self._names[place])


_CLASSIFICATION: Final = frozenset({Category.TABULAR_CLASSIFICATION})

BASIC: Final = Registry(
    (
        Validator("header", before=_header),
        Validator("target", before=_target, rows=_TargetPresent),
        Validator("cells", rows=lambda _: _Cells(), ragged=True),
        Validator("records", rows=lambda _: _Records(), ragged=True),
        Validator("labels", categories=_CLASSIFICATION, rows=_Labels),
        Validator("duplicates", rows=lambda _: _Duplicates()),
        Validator("variety", rows=_Variety),
    )
)
"""Header fits the schema; target is present and of the right kind; every cell fits its type; at least one record;
labels tell at least two classes apart; warnings for repeated rows and for columns without variety.
"""
