"""What an ingest says: to the federation when the data is in, and to whoever ran it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bus.events.base import DatasetId, Digest, PrincipalId
from bus.events.datasets import Column, DatasetRegistered
from bus.events.datasets import Split as SplitCounts
from ingest.domain.profile import DatasetProfile, Split


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitOutcome(_Frozen):
    """One part of the dataset after the run."""

    rows: int
    """All that the part holds."""
    stored: int
    """Those that this run added; 0 when they were there already."""
    classes: dict[str, int] | None
    """Rows per class; ``None`` where the target is not a class."""


class Outcome(_Frozen):
    """The result of a run. Holds no cell, but stays with whoever ran it."""

    dataset: DatasetId
    edge: PrincipalId
    revision: int
    """Of the dataset; grows with every load."""
    digest: Digest
    splits: dict[Split, SplitOutcome]
    sequence: int | None
    """Where the federation's log has the registration; ``None`` when the dataset is not announced yet."""
    warnings: tuple[str, ...] = ()
    """What somebody should look at, with its place in the files."""

    def __str__(self) -> str:
        """For a human, in one line."""
        parts = ", ".join(f"{split} {part.rows} rows ({part.stored} new)" for split, part in self.splits.items())
        return f"{self.dataset} at {self.edge}, revision {self.revision}: {parts}"

    @property
    def announced(self) -> bool:
        """Whether the federation was told."""
        return self.sequence is not None


class Consent(_Frozen):
    """What the owner lets others know of the data, and do with it, beyond names, types and counts."""

    words: Literal["all", "none"] | frozenset[str] = "none"
    """Columns of text, and of true and false, whose words others may know: all, none, or those named. Words are what
    cells hold, so none leaves unless the owner says so; without them, nothing can be learnt from a column of text."""
    words_min_rows: int = Field(default=5, ge=1)
    """Fewest training rows that a word must occur in to be told: what is rare may point to somebody."""
    features_modifiable: bool = True
    """Whether experiments may make new features from the columns."""
    least_taken: int = Field(default=5, ge=1)
    """Fewest training rows that an experiment may take, if it does not take all: what is summed up over few rows comes
    close to the rows. More than there are: none may choose."""

    def of(self, column: str, counts: Mapping[str, int] | None) -> dict[str, int] | None:
        """What is told of a column's words; ``None``: nothing."""
        told = self.words == "all" or (self.words != "none" and column in self.words)
        if not told or counts is None:
            return None
        return {word: rows for word, rows in counts.items() if rows >= self.words_min_rows}


def registration(
    profile: DatasetProfile, edge: PrincipalId, revision: int, consent: Consent
) -> DatasetRegistered | None:
    """The event for a dataset as it is stored; ``None`` as long as nothing can be trained on it."""
    if Split.TRAIN not in profile.splits:
        return None
    words = dict(enumerate(profile.splits[Split.TRAIN].words))
    return DatasetRegistered(
        dataset=profile.dataset,
        edge=edge,
        revision=revision,
        category=profile.category.value,
        target=profile.target,
        columns=tuple(
            Column(
                name=column.name,
                kind=column.kind,
                sql_type=column.sql_type,
                nulls=profile.nulls(place),
                words=consent.of(column.name, words.get(place)),
            )
            for place, column in enumerate(profile.columns)
        ),
        splits={
            split.value: SplitCounts(rows=counts.rows, classes=counts.classes)
            for split, counts in sorted(profile.splits.items())
        },
        digest=profile.digest,
        features_modifiable=consent.features_modifiable,
        least_taken=consent.least_taken,
    )
