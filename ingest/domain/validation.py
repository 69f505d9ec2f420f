"""How validators run: each is a frozen record in a registry; all see the file once, row by row, in constant memory.

Order of steps: ``before`` of every validator looks at the header and the settings; only if none found an error,
``rows`` of every validator starts a check, which sees each record and is asked once more at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bus.errors import Invalid
from ingest.domain.findings import Collector, Finding, Verdict
from ingest.domain.profile import Category, SplitProfile, Tally
from ingest.domain.records import Fault, Record, Row, Values
from ingest.domain.schema import Schema
from ingest.domain.values import RowParser


@dataclass(frozen=True)
class Context:
    """What validators know beforehand.

    Attributes:
        header: Column names of the file, in order.
        schema: What is expected.
        target: Name of the column to be learned.
        category: What the data is meant for.
        ignored: Names of columns that are left out on purpose.
        null_tokens: Texts besides the empty one that mean a missing value.
        known_classes: Samples per class that the split holds already (when rows are appended).
    """

    header: Sequence[str]
    schema: Schema
    target: str
    category: Category
    ignored: frozenset[str] = frozenset()
    null_tokens: frozenset[str] = frozenset()
    known_classes: Mapping[str, int] = field(default_factory=dict)

    def row_parser(self) -> RowParser:
        """Reads the rows of this file; the header fits the schema."""
        positions = [self.header.index(name) for name in self.schema.names]
        return RowParser(self.schema, positions, len(self.header), self.null_tokens)


class Check(Protocol):
    """A validator at work on one file."""

    def see(self, record: Record) -> Iterable[Finding]:
        """Look at one record; returns what is wrong with it."""
        ...

    def end(self) -> Iterable[Finding]:
        """All records were seen; returns what is wrong with the whole."""
        ...


@dataclass(frozen=True)
class Validator:
    """One rule, or a few that belong together.

    Attributes:
        name: Under which findings are counted.
        categories: Task categories that it applies to; ``None`` for all.
        before: Looks at the header and the settings.
        rows: Starts a check of the rows.
        ragged: Whether the check also sees rows that have another number of cells than the header.
    """

    name: str
    categories: frozenset[Category] | None = None
    before: Callable[[Context], Iterable[Finding]] | None = None
    rows: Callable[[Context], Check] | None = None
    ragged: bool = False


class Registry:
    """Validators by name, in the order in which they run.

    Args:
        validators: All of them.

    Raises:
        Invalid: Two have one name.
    """

    def __init__(self, validators: Iterable[Validator]) -> None:
        self._validators = tuple(validators)
        names = [validator.name for validator in self._validators]
        if len(set(names)) != len(names):
            raise Invalid(f"two validators have one name: {', '.join(names)}", code="validator.name")

    def __iter__(self) -> Iterator[Validator]:
        return iter(self._validators)

    def plus(self, *more: Validator) -> Registry:
        """A registry with ``more`` validators.

        Raises:
            Invalid: A name is taken.
        """
        return Registry((*self._validators, *more))

    def applying(self, category: Category) -> tuple[Validator, ...]:
        """Validators that apply to ``category``."""
        return tuple(v for v in self._validators if v.categories is None or category in v.categories)


@dataclass(frozen=True)
class Examined:
    """The outcome of looking at a whole file.

    Attributes:
        verdict: What was found.
        rows: Records seen, good or bad.
        failed: Records with at least one error.
        content: What the rows add up to; ``None`` when there are errors.
    """

    verdict: Verdict
    rows: int
    failed: int
    content: SplitProfile | None


class Examination:
    """A validation under way.

    Args:
        context: What is known beforehand.
        registry: The validators.
        sink: Told of every error as it is found.
    """

    def __init__(self, context: Context, registry: Registry, sink: Callable[[Finding], None] | None = None) -> None:
        self._collector = Collector(sink)
        validators = registry.applying(context.category)
        for validator in validators:
            self._take(validator.name, validator.before(context) if validator.before else ())
        self.readable = self._collector.errors == 0
        """Whether the header fits, so that rows can be looked at."""
        self._rows = self._failed = 0
        if self.readable:
            self._parser = context.row_parser()
            self._tally = Tally(context.schema, context.target, context.category)
            self._checks = [(v.name, v.ragged, v.rows(context)) for v in validators if v.rows is not None]

    def see(self, rows: Iterable[Row]) -> None:
        """Look at ``rows``; only when ``readable``."""
        for row in rows:
            record = self._parser.parse(row)
            before = self._collector.errors
            for name, ragged, check in self._checks:
                if record.values or ragged:
                    self._take(name, check.see(record))
            self._rows += 1
            self._failed += self._collector.errors > before
            if not self._collector.errors:
                self._tally.add((whole(record),))

    def end(self) -> Examined:
        """All rows were seen."""
        if self.readable:
            for name, _, check in self._checks:
                self._take(name, check.end())
        verdict = self._collector.verdict()
        content = None if verdict.errors else self._tally.profile()
        return Examined(verdict, self._rows, self._failed, content)

    def _take(self, validator: str, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._collector.add(validator, finding)


def whole(record: Record) -> Values:
    """The values of a record without faults."""
    assert not record.faults
    return tuple(value for value in record.values if not isinstance(value, Fault))
