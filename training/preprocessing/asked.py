"""What a plan asks of columns, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from training.preprocessing.choices import Derived, Encode, Preprocessing

_BOOLEANS: Final = ("false", "true")


class Kind(StrEnum):
    """What a column holds, as far as preprocessing is concerned."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    OTHER = "other"


@dataclass(frozen=True)
class Known:
    """What is known of a column, over all edges.

    Attributes:
        kind: What it holds.
        missing: Whether there are missing cells.
        words: Word -> training rows, of a column of text or of true and false, if they were registered.
    """

    kind: Kind
    missing: bool = False
    words: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Asked:
    """What a plan asks for.

    Attributes:
        preprocessing: Its section.
        derived: Features to be made from columns.
        features: Columns to learn from, in order.
    """

    preprocessing: Preprocessing
    derived: tuple[Derived, ...]
    features: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the edges must read: those to learn from, and those that features are made from."""
        sources = (name for each in self.derived if each.make != "pca" for name in each.of)
        return tuple(dict.fromkeys([*self.features, *sources]))


def encode_of(name: str, kind: Kind, asked: Preprocessing) -> Encode | None:
    """How the words of a column become numbers; ``None`` if it holds numbers, or is not to be learnt from."""
    own = asked.of(name).encode
    return own or (asked.encode if kind is Kind.TEXT else None)


def words_of(known: Known, asked: Preprocessing) -> tuple[str, ...]:
    """The words of a column that is encoded: true and false, or those that occur often enough, sorted."""
    if known.kind is Kind.BOOLEAN:
        return _BOOLEANS
    return tuple(sorted(word for word, rows in (known.words or {}).items() if rows >= asked.min_count))


def word_of(value: bool | float | str | None) -> str:  # noqa: FBT001 - as YAML has it
    """A word as it is registered, however YAML takes it: ``true`` and ``7`` without quotes are no text there."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
