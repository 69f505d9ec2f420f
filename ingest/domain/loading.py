"""What a load does to a dataset: decided before anything is written, from frozen facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bus.errors import Invalid
from bus.events.base import DatasetId, Digest
from ingest.domain.profile import (
    MAX_CLASSES,
    MAX_WORDS,
    Category,
    DatasetProfile,
    Split,
    SplitProfile,
    describe,
    not_a_class,
)
from ingest.domain.schema import Schema


class Mode(StrEnum):
    """What to do when the split exists."""

    CREATE = "create"
    """Refuse, unless it holds exactly these rows."""
    REPLACE = "replace"
    """Put these rows in the place of the old ones."""
    APPEND = "append"
    """Add these rows behind the old ones, unless they were added before."""


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """Rows that came in together.

    Attributes:
        load: Number of the load, unique in the store and never used again.
        rows: How many.
        digest: Of these rows alone.
    """

    load: int
    rows: int
    digest: Digest


@dataclass(frozen=True)
class StoredDataset:
    """A dataset as the catalogue has it.

    Attributes:
        profile: What may be told about it.
        schema: Its columns.
        parts: Split -> loads whose rows count, in order.
        table: Name of the SQL table that holds the rows.
        revision: Grows with every load; never repeated, not even after the dataset was deleted.
    """

    profile: DatasetProfile
    schema: Schema
    parts: Mapping[Split, tuple[LoadedPart, ...]]
    table: str
    revision: int


@dataclass(frozen=True)
class Aim:
    """What somebody wants to load.

    Attributes:
        dataset: Under which name.
        category: What for.
        target: Column to be learned.
        schema: Columns.
        splits: Into which parts; they come in together or not at all.
        mode: What to do when a part exists.
    """

    dataset: DatasetId
    category: Category
    target: str
    schema: Schema
    splits: frozenset[Split]
    mode: Mode


@dataclass(frozen=True)
class Step:
    """What to do.

    Attributes:
        behind: Splits whose rows are to be stored -> loads of the split that stay, in order, before the new one.
            Splits whose rows are there already are not among them.
        new_table: Whether the dataset needs a table of its own, because it is new or its columns change.
    """

    behind: Mapping[Split, tuple[LoadedPart, ...]]
    new_table: bool = False


def fit(stored: StoredDataset | None, aim: Aim) -> Aim:
    """``aim`` as it fits the other rows of the dataset: with the columns in the stored order.

    Raises:
        Invalid: Category, target or columns differ from those of rows that stay.
    """
    if stored is None or replaced(stored, aim.splits, aim.mode):
        return aim
    for what, here, there in (
        ("category", aim.category, stored.profile.category),
        ("target", aim.target, stored.profile.target),
    ):
        if here != there:
            raise Invalid(
                f"the {what} is {here!s} here, but {there!s} in the dataset {aim.dataset!r}: "
                "all parts of a dataset have one; correct it, or choose another dataset name",
                code=f"dataset.{what}",
            )
    differences = aim.schema.differences(stored.schema)
    if differences:
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise Invalid(
            f"the schema differs from that of the dataset {aim.dataset!r}: {'; '.join(differences[:5])}{more}. "
            "All parts of a dataset have the same columns; declare the same schema, or choose another dataset name",
            code="dataset.schema",
        )
    return replace(aim, schema=stored.schema)


def decide(stored: StoredDataset | None, aim: Aim, contents: Mapping[Split, SplitProfile]) -> Step:
    """What a load of ``contents`` does; ``aim`` fits (see ``fit``).

    Raises:
        Invalid: A split exists with other rows, and the mode is to create it.
    """
    if stored is None:
        return Step(dict.fromkeys(contents, ()), new_table=True)
    missing = [split for split, content in contents.items() if not _there(stored, aim, split, content)]
    behind = {split: stored.parts.get(split, ()) if aim.mode is Mode.APPEND else () for split in missing}
    return Step(behind, new_table=bool(behind) and stored.schema != aim.schema)


def after(stored: StoredDataset | None, aim: Aim, splits: Mapping[Split, SplitProfile]) -> DatasetProfile:
    """The profile once ``splits`` are the contents of all splits of ``aim``."""
    stay = {} if stored is None or replaced(stored, aim.splits, aim.mode) else stored.profile.splits
    contents = {**stay, **splits}
    return DatasetProfile(
        dataset=aim.dataset,
        category=aim.category,
        target=aim.target,
        columns=describe(aim.schema),
        splits={split: contents[split] for split in Split if split in contents},
    )


def joined(old: SplitProfile, new: SplitProfile, digest: Digest) -> SplitProfile:
    """``new`` behind ``old``; ``digest`` is that of all rows in order.

    Raises:
        Invalid: Together they have too many classes.
    """
    classes = None
    if old.classes is not None and new.classes is not None:
        classes = dict(sorted((Counter(old.classes) + Counter(new.classes)).items()))
        if len(classes) > MAX_CLASSES:
            raise not_a_class()
    nulls = tuple(a + b for a, b in zip(old.nulls, new.nulls, strict=True))
    # An earlier release counted no words: then nobody knows them all.
    words = tuple(map(_both, old.words, new.words)) if old.words else ()
    return SplitProfile(rows=old.rows + new.rows, nulls=nulls, classes=classes, digest=digest, words=words)


def _both(old: dict[str, int] | None, new: dict[str, int] | None) -> dict[str, int] | None:
    """The words of a column with the rows of both; ``None`` if they are too many."""
    if old is None or new is None:
        return None
    found = dict(sorted((Counter(old) + Counter(new)).items()))
    return found if len(found) <= MAX_WORDS else None


def replaced(stored: StoredDataset, splits: frozenset[Split], mode: Mode) -> bool:
    """Whether a load of ``splits`` takes the place of the whole dataset, so that its columns may change."""
    return mode is Mode.REPLACE and splits >= set(stored.profile.splits)


def _there(stored: StoredDataset, aim: Aim, split: Split, content: SplitProfile) -> bool:
    """Whether the store holds ``content`` already."""
    there = stored.profile.splits.get(split)
    if there is None:
        return False
    same = (stored.schema, stored.profile.target, stored.profile.category) == (aim.schema, aim.target, aim.category)
    if same and there.digest == content.digest:
        return True
    if aim.mode is Mode.CREATE:
        raise Invalid(
            f"the {split} split of the dataset {aim.dataset!r} exists and holds other rows ({there.rows}); "
            "choose the mode replace or append, or another dataset name",
            code="dataset.exists",
        )
    return aim.mode is Mode.APPEND and any(part.digest == content.digest for part in stored.parts[split])
