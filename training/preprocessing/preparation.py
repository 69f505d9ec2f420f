"""What is done to each column, settled when the experiment is submitted and the same at every edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from training.errors import model_error
from training.preprocessing.choices import Derived, Encode, Impute, Scale
from training.preprocessing.derive import made_names

PERCENTILES: Final = tuple(place / 100 for place in range(101))
"""Probabilities of the references of ``scale: quantile``."""
_PROBABILITIES: Final[dict[str, tuple[float, ...]]] = {
    "minmax": (0.0, 1.0),
    "maxabs": (0.0, 1.0),
    "robust": (0.25, 0.5, 0.75),
    "quantile": PERCENTILES,
}


class Column(BaseModel):
    """One column, or one feature that is made from columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    words: tuple[str, ...] | None = None
    """What it can hold, in order; ``None`` for numbers."""
    impute: Impute = "mean"
    value: float = 0.0
    """What a missing cell becomes with ``constant``; of words, with that or ``most_frequent``, the place of one."""
    indicator: bool = False
    """Whether ``missing(name)`` is a feature."""
    encode: Encode | None = None
    """Set where there are words."""
    scale: Scale = "standard"
    feature: bool = True
    """Whether the model sees it; if not, it only goes into features that are made from it."""

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Of the quantiles that it needs, in rising order."""
        scale = _PROBABILITIES.get(self.scale, ())
        return tuple(sorted({*scale, *((0.5,) if self.impute == "median" else ())}))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features that come of it."""
        if self.encode == "onehot":
            return tuple(f"{self.name}={word}" for word in self.words or ())
        return (self.name,)


class Preparation(BaseModel):
    """All columns. The order of work: make features from columns, fill in, encode, scale, principal components."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Column, ...]
    """Those that the edges hold, then those that are made from them."""
    derived: tuple[Derived, ...] = ()

    @classmethod
    def plain(cls, features: Iterable[str]) -> Self:
        """Numbers, standardised; a missing cell counts as the mean. What is done if a plan says nothing."""
        return cls(columns=tuple(Column(name=name) for name in features))

    @classmethod
    def told(cls, features: Sequence[str], columns: str, derived: str) -> Self:
        """From what travels: two JSON lists, see ``said``.

        Args:
            features: The columns that the edges are to read.
            columns: What is done to them, and to what is made from them; empty for the plain preparation.
            derived: What is made from them.

        Raises:
            TrainingError: The lists are not of this release, or are not about these columns.
        """
        if not columns:
            return cls.plain(features)
        try:
            found = cls(columns=_COLUMNS.validate_json(columns), derived=_DERIVED.validate_json(derived or "[]"))
        except ValidationError as error:
            raise model_error("plan.features", f"the preparation cannot be read: {error}") from error
        if tuple(column.name for column in found.columns) != (*features, *made(found.derived)):
            raise model_error("plan.features", "the preparation is about other columns than those of the experiment")
        return found

    @property
    def said(self) -> tuple[str, str]:
        """The two JSON lists that travel; empty for the plain one and where nothing is made from columns."""
        if self.is_plain:
            return "", ""
        derived = _DERIVED.dump_json(self.derived, exclude_defaults=True).decode() if self.derived else ""
        return _COLUMNS.dump_json(self.columns, exclude_defaults=True).decode(), derived

    @property
    def is_plain(self) -> bool:
        """Whether it is what is done if a plan says nothing."""
        return not self.derived and all(column == Column(name=column.name) for column in self.columns)

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """Column -> its words, of those that hold words."""
        return {column.name: column.words for column in self.columns if column.words is not None}

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """Places of the columns of numbers."""
        return tuple(place for place, column in enumerate(self.columns) if column.words is None)

    @cached_property
    def sketched(self) -> tuple[int, ...]:
        """Those whose quantiles are needed, as places among ``numbers``."""
        return tuple(n for n, place in enumerate(self.numbers) if self.columns[place].probabilities)

    @property
    def components(self) -> tuple[Derived, ...]:
        """Its principal component analyses."""
        return tuple(each for each in self.derived if each.make == "pca")

    @property
    def passes(self) -> int:
        """How often edges must sum up their rows: sums, then quantiles and covariances if they are needed."""
        return 1 + bool(self.sketched) + bool(self.components)

    @cached_property
    def scaled(self) -> tuple[str, ...]:
        """Names of all features before principal components are taken."""
        shown = [column for column in self.columns if column.feature]
        indicators = (f"missing({column.name})" for column in self.columns if column.indicator)
        return (*(name for column in shown for name in column.names), *indicators)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of what the model sees, in order."""
        return (*(self.scaled[place] for place in self.stay), *self._component_names())

    @cached_property
    def stay(self) -> tuple[int, ...]:
        """Places among ``scaled`` of what the model sees beside the components."""
        gone = {place for each in self.components if not each.keep for place in self.inputs(each)}
        return tuple(place for place in range(len(self.scaled)) if place not in gone)

    def inputs(self, each: Derived) -> tuple[int, ...]:
        """Places among ``scaled`` of what goes into a principal component analysis."""
        names = {column.name: column.names for column in self.columns if column.feature}
        places = {name: place for place, name in enumerate(self.scaled)}
        return tuple(places[name] for wanted in each.of for name in names[wanted])

    def _component_names(self) -> Iterator[str]:
        total = sum(each.components or 0 for each in self.components)
        yield from (f"pca_{number}" for number in range(1, total + 1))


_COLUMNS: Final = TypeAdapter(tuple[Column, ...])
_DERIVED: Final = TypeAdapter(tuple[Derived, ...])


def made(derived: Iterable[Derived]) -> tuple[str, ...]:
    """Names of all features that are made from columns as they are."""
    return tuple(name for each in derived for name in made_names(each))
