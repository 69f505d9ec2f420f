"""What an edge tells about its data: metadata only."""

from __future__ import annotations

from enum import StrEnum

from bus.events.base import DatasetId, Digest, Event, Payload, PrincipalId, Role


class ColumnKind(StrEnum):
    """What a column holds, whatever its SQL type."""

    REAL = "real"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIMESTAMP = "timestamp"


class Column(Payload):
    """One column of a dataset."""

    name: str
    kind: ColumnKind
    sql_type: str
    nulls: int = 0
    words: dict[str, int] | None = None
    """Of a text column whose words its owner lets others know: word -> training rows. Rare words are left out. ``None``
    where they are not told, and for other kinds."""


class Split(Payload):
    """Counts of the training or the test part."""

    rows: int
    classes: dict[str, int] | None = None
    """Samples per class; ``None`` where the target is not a class."""


class DatasetRegistered(Event):
    """An edge holds data under this name. A later revision replaces what was said before."""

    TYPE = "dataset.registered"
    BY = frozenset({Role.EDGE})
    ID = "dataset"
    KEY = ("revision",)

    dataset: DatasetId
    edge: PrincipalId
    revision: int
    category: str
    """Task category that the data is meant for, e.g. ``tabular_classification``."""
    target: str
    columns: tuple[Column, ...]
    splits: dict[str, Split]
    """``train`` and ``test`` -> counts."""
    digest: Digest
    """Of the rows' canonical encoding: tells that data changed, not what it is."""
    features_modifiable: bool = True
    """Whether the owner permits experiments to make new features from the columns."""
    least_taken: int = 5
    """Fewest training rows that an experiment may take here, if it does not take all."""
