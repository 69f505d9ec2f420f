"""What a plan can say about preprocessing and about features that are made from columns."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Impute = Literal["mean", "median", "most_frequent", "constant", "none"]
Encode = Literal["onehot", "ordinal"]
Scale = Literal["standard", "minmax", "robust", "maxabs", "quantile", "none"]
Make = Literal["product", "ratio", "sum", "difference", "polynomial", "pca"]

_INPUTS: Final[dict[Make, tuple[int, int | None]]] = {
    "product": (2, None),
    "ratio": (2, 2),
    "sum": (2, None),
    "difference": (2, 2),
    "polynomial": (1, None),
    "pca": (2, None),
}
"""Fewest and most columns of each kind."""


MOST_FEATURES: Final = 10_000
"""What a model sees at most: a slip with polynomials is told at once, and not by the edges' memory."""


class _Section(BaseModel):
    """A part of the plan; a field that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnChoice(_Section):
    """What is otherwise for one column. A field left out is as for all columns."""

    impute: Impute | None = None
    """What a missing cell counts as."""
    value: bool | float | str | None = None
    """What missing cells become with ``impute: constant``: a number, or a word of a column that is encoded."""
    missing_indicator: bool | None = None
    """Whether a further feature says which cells are missing."""
    encode: Encode | None = None
    """How words become numbers. Columns of true and false are numbers, 0 and 1, unless this is said here."""
    scale: Scale | None = None
    """How the numbers are scaled."""


class Preprocessing(_Section):
    """How columns become numbers that a model learns well from. Fitted over all edges' training rows, then frozen."""

    impute: Impute = "mean"
    """What a missing cell counts as. ``mean`` and ``median`` are for numbers; a missing word is then as one that is not
    known. ``most_frequent`` is for words. ``none`` leaves numbers missing, for models that can do with that."""
    value: float | None = None
    """What missing numbers become with ``impute: constant``."""
    missing_indicators: bool = False
    """Whether every column with missing cells gets a further feature, ``missing(column)``, that is 1 where one was."""
    encode: Encode | None = None
    """How columns of text become numbers: ``onehot``, a feature ``column=word`` for every word, or ``ordinal``, the
    word's place in the alphabet. A word that nobody registered is all zeros, or -1. Left out: nothing is learnt from
    text."""
    min_count: int = Field(default=1, ge=1)
    """Fewest training rows, over all edges, that a word must be registered in; others count as not known."""
    scale: Scale = "standard"
    """How numbers are scaled: by mean and standard deviation, to 0..1 between the outermost values (``minmax``), by
    median and interquartile range (``robust``), by the largest absolute value (``maxabs``), to their rank from 0 to 1
    (``quantile``), or not at all. Words are not scaled."""
    columns: dict[str, ColumnChoice] = Field(default_factory=dict)
    """Column, or feature made from columns -> what is otherwise for it."""

    def of(self, column: str) -> ColumnChoice:
        """What is said of one column alone."""
        return self.columns.get(column, ColumnChoice())


class Derived(_Section):
    """Features that are made from columns of numbers, before anything else is done to these."""

    make: Make
    """``product``, ``ratio``, ``sum`` and ``difference`` make one feature; ``polynomial`` all products of at least two
    factors up to ``degree``; ``pca`` the principal components of features that are scaled already."""
    of: tuple[str, ...] = Field(min_length=1)
    """The columns. For ``pca``, features that are made from columns too, and words that are encoded."""
    degree: int | None = Field(default=None, ge=2, le=5)
    """Of ``polynomial``: most factors of a product; 2 if left out."""
    components: int | None = Field(default=None, ge=1)
    """Of ``pca``: how many; needed there."""
    keep: bool | None = None
    """Of ``pca``: whether the features that go into it stay beside the components. Left out: they do not."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least, most = _INPUTS[self.make]
        found = len(self.of)
        if found < least or (most is not None and found > most):
            wanted = str(least) if most == least else f"at least {least}"
            raise PydanticCustomError("inputs", f"a {self.make} is made of {wanted} columns, not of {found}")
        if len(set(self.of)) < found:
            raise PydanticCustomError("twice", f"a {self.make} names a column twice; 'polynomial' makes powers")
        for field, kind in (("degree", "polynomial"), ("components", "pca"), ("keep", "pca")):
            if getattr(self, field) is not None and self.make != kind:
                raise PydanticCustomError("field", f"'{field}' belongs to '{kind}', not to '{self.make}'")
        degree = self.degree or 2
        if self.make == "polynomial" and (made := comb(found + degree, degree) - found - 1) > MOST_FEATURES:
            raise PydanticCustomError("many", f"it makes {made} features, at most {MOST_FEATURES} can be made")
        if self.make == "pca" and self.components is None:
            raise PydanticCustomError("components", "'pca' needs 'components': how many features to make")
        return self


def examples(columns: Sequence[str]) -> tuple[Derived, ...]:
    """One of each kind that can be made of these columns of numbers, from as few of them as it takes."""
    return tuple(
        Derived(make=make, of=tuple(columns[:least]), components=1 if make == "pca" else None)
        for make, (least, _) in _INPUTS.items()
        if len(columns) >= least
    )
