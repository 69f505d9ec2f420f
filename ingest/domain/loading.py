"""What a load does to a dataset: decided before anything is written, from frozen facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bus.errors import Invalid
from bus.events.base import DatasetId, Digest
from ingest.domain.profile import MAX_CLASSES, Category, DatasetProfile, Split, SplitProfile, describe, not_a_class
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
        split: Into which part.
        mode: What to do when the part exists.
    """

    dataset: DatasetId
    category: Category
    target: str
    schema: Schema
    split: Split
    mode: Mode


@dataclass(frozen=True)
class Step:
    """What to do.

    Attributes:
        store: Whether rows are to be stored; ``False`` when they are there already.
        new_table: Whether the dataset needs a table of its own, because it is new or its columns change.
        keep: Loads of this split that stay, in order, before the new one.
    """

    store: bool
    new_table: bool = False
    keep: tuple[LoadedPart, ...] = ()


def fit(stored: StoredDataset | None, aim: Aim) -> Aim:
    """``aim`` as it fits the other rows of the dataset: with the columns in the stored order.

    Raises:
        Invalid: Category, target or columns differ from those of rows that stay.
    """
    if stored is None or not _stays(stored, aim):
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
    return Aim(aim.dataset, aim.category, aim.target, stored.schema, aim.split, aim.mode)


def decide(stored: StoredDataset | None, aim: Aim, content: SplitProfile) -> Step:
    """What a load of ``content`` does; ``aim`` fits (see ``fit``).

    Raises:
        Invalid: The split exists, and the mode is to create it.
    """
    if stored is None:
        return Step(store=True, new_table=True)
    same = (stored.schema, stored.profile.target, stored.profile.category) == (aim.schema, aim.target, aim.category)
    parts = stored.parts.get(aim.split, ())
    there = stored.profile.splits.get(aim.split)
    if there is not None and same and there.digest == content.digest:
        return Step(store=False)
    if aim.mode is Mode.APPEND:
        return Step(store=all(part.digest != content.digest for part in parts), keep=parts)
    if there is not None and aim.mode is Mode.CREATE:
        raise Invalid(
            f"the {aim.split} split of the dataset {aim.dataset!r} exists and holds other rows ({there.rows}); "
            "choose the mode replace or append, or another dataset name",
            code="dataset.exists",
        )
    return Step(store=True, new_table=stored.schema != aim.schema)


def after(stored: StoredDataset | None, aim: Aim, split: SplitProfile) -> DatasetProfile:
    """The profile once ``split`` is the content of the split."""
    if stored is not None and _stays(stored, aim):
        return stored.profile.with_split(aim.split, split)
    return DatasetProfile(
        dataset=aim.dataset,
        category=aim.category,
        target=aim.target,
        columns=describe(aim.schema),
        splits={aim.split: split},
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
    return SplitProfile(rows=old.rows + new.rows, nulls=nulls, classes=classes, digest=digest)


def _stays(stored: StoredDataset, aim: Aim) -> bool:
    """Whether rows stay that the new ones must fit."""
    return bool(set(stored.profile.splits) - {aim.split}) or (
        aim.split in stored.profile.splits and aim.mode is not Mode.REPLACE
    )
