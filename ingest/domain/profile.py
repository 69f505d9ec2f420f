"""What may leave the owner about a dataset: names, types and counts. No value, no minimum, no maximum.

Class labels are the exception by need: sites must agree on what the classes are before they can train together, so
the labels of a classification target and the samples per label are metadata. A column with more than 1000 different
values is no class column and is refused. The same goes for the words of text columns, which sites must agree on to
learn from them: they are counted in columns that have few, and ``registration`` tells those that the owner lets go.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from bus.errors import Invalid
from bus.events.base import DatasetId, Digest
from bus.events.datasets import ColumnKind
from ingest.domain.encoding import RowDigest
from ingest.domain.records import Value, Values
from ingest.domain.schema import Schema

MAX_CLASSES: Final = 1000
"""Distinct labels of a class column."""
MAX_LABEL: Final = 128
"""Characters of a label."""
MAX_WORDS: Final = 100
"""Distinct words of a column whose words are told; one with more is taken for names, numbers of files or free text."""
WORD_KINDS: Final = frozenset({ColumnKind.BOOLEAN, ColumnKind.TEXT})
"""What a column with words holds."""
LABEL_KINDS: Final = frozenset({ColumnKind.INTEGER, ColumnKind.BOOLEAN, ColumnKind.TEXT})
"""What a class column may hold."""


class Category(StrEnum):
    """Task category that data is meant for."""

    TABULAR_CLASSIFICATION = "tabular_classification"
    TABULAR_REGRESSION = "tabular_regression"

    @property
    def has_classes(self) -> bool:
        """Whether the target is a class."""
        return self is Category.TABULAR_CLASSIFICATION


class Split(StrEnum):
    """Part of a dataset."""

    TRAIN = "train"
    TEST = "test"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnProfile(_Frozen):
    """One column."""

    name: str
    kind: ColumnKind
    sql_type: str


class SplitProfile(_Frozen):
    """The training or the test part."""

    rows: int
    nulls: tuple[int, ...]
    """Missing cells per column, in the columns' order."""
    classes: dict[str, int] | None
    """Samples per class, labels sorted; ``None`` where the target is not a class."""
    digest: Digest
    """Of the rows, see ``ingest.domain.encoding``."""
    words: tuple[dict[str, int] | None, ...] = ()
    """Rows per word of each column, in the columns' order, words sorted; ``None`` where there are none, or too many.
    Stays at the site but for what ``registration`` picks."""


class DatasetProfile(_Frozen):
    """All that leaves the owner about a dataset."""

    dataset: DatasetId
    category: Category
    target: str
    columns: tuple[ColumnProfile, ...]
    splits: dict[Split, SplitProfile]

    def nulls(self, place: int) -> int:
        """Missing cells of the column at ``place``, in all splits."""
        return sum(split.nulls[place] for split in self.splits.values())

    @property
    def digest(self) -> Digest:
        """Of the whole dataset: changes when any row, column, split, the category or the target does."""
        parts = [f"{split.value} {self.splits[split].digest}" for split in sorted(self.splits)]
        text = "\n".join(["muster-dataset-v1", self.category.value, self.target, *parts])
        return Digest(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")


class Tally:
    """Counts rows as they come.

    Args:
        schema: Their columns.
        target: Name of the target column; it is in the schema.
        category: Whether the target is a class.
    """

    def __init__(self, schema: Schema, target: str, category: Category) -> None:
        self._digest = RowDigest(schema)
        self._rows = 0
        self._nulls = [0] * len(schema.columns)
        self._target = schema.position(target)
        texts = (place for place, column in enumerate(schema.columns) if column.kind in WORD_KINDS)
        self._words: dict[int, Counter[str]] = {place: Counter() for place in texts if place != self._target}
        self._classes: Counter[str] | None = Counter() if category.has_classes else None

    def add(self, rows: Iterable[Values]) -> None:
        """Take in ``rows``, in order.

        Raises:
            Invalid: The target has too many different values to be a class.
        """
        for row in rows:
            self._rows += 1
            self._digest.add((row,))
            if None in row:
                for place, value in enumerate(row):
                    self._nulls[place] += value is None
            if self._words:
                self._count(row)
            if self._classes is not None and self._target is not None:
                self._classes[label(row[self._target])] += 1
                if len(self._classes) > MAX_CLASSES:
                    raise not_a_class()

    def profile(self) -> SplitProfile:
        """What the rows so far add up to."""
        classes = None if self._classes is None else dict(sorted(self._classes.items()))
        found = {place: dict(sorted(counts.items())) for place, counts in self._words.items()}
        return SplitProfile(
            rows=self._rows,
            nulls=tuple(self._nulls),
            classes=classes,
            digest=self._digest.digest(),
            words=tuple(map(found.get, range(len(self._nulls)))),
        )

    def _count(self, row: Values) -> None:
        """Count its words; a column with too many, or too long ones, is given up."""
        for place, counts in list(self._words.items()):
            if (value := row[place]) is not None:
                word = label(value)
                counts[word] += 1
                if len(counts) > MAX_WORDS or len(word) > MAX_LABEL:
                    del self._words[place]


def label(value: Value) -> str:
    """A class label as text: the same at every site, whatever the type. Booleans are ``true`` and ``false``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def not_a_class() -> Invalid:
    """The target has too many values."""
    return Invalid(f"the target is not a class column: more than {MAX_CLASSES} different values", code="label.many")


def describe(schema: Schema) -> tuple[ColumnProfile, ...]:
    """The columns of ``schema`` as they are told to others."""
    return tuple(ColumnProfile(name=c.name, kind=c.kind, sql_type=str(c.type)) for c in schema.columns)
