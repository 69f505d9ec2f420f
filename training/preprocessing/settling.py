"""From what a plan asks for to what is done to each column, with what the owners registered about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from training.errors import model_error
from training.preprocessing.choices import Derived, Encode, Impute, Preprocessing
from training.preprocessing.derive import made_names
from training.preprocessing.preparation import Column, Preparation, made
from training.suggestions import known_or_nearest

_BOOLEANS: Final = ("false", "true")
_WORDLESS: Final = frozenset({"mean", "median"})
"""What makes no sense of words: a missing one stays as one that is not known."""
_MOST_NAMES: Final = 10_000
"""Features that a model sees at most: a slip with polynomials is told here and not by the edges' memory."""


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


def settle(asked: Asked, known: Mapping[str, Known]) -> Preparation:
    """What is done to each column.

    Args:
        asked: By the plan.
        known: Column -> what the owners registered; holds all of ``asked.columns``.

    Raises:
        TrainingError: The plan asks for something that cannot be done; everything that is wrong is named.
    """
    _refuse([*_unknown(asked), *_unfit(asked, known)])
    held = [_held(name, asked, known[name]) for name in asked.columns]
    columns = (*held, *(_number(name, asked.preprocessing) for name in made(asked.derived)))
    prepared = Preparation(columns=columns, derived=asked.derived)
    _refuse([*_twice(prepared), *_uncomponent(prepared)])
    return prepared


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise model_error("plan.features", f"the features cannot be made: {'; '.join(problems)}")


def encode_of(name: str, kind: Kind, asked: Preprocessing) -> Encode | None:
    """How the words of a column become numbers; ``None`` if it holds numbers, or is not to be learnt from."""
    own = asked.of(name).encode
    return own or (asked.encode if kind is Kind.TEXT else None)


def vocabulary(counts: Mapping[str, int], least: int) -> tuple[str, ...]:
    """Words that occur often enough, sorted."""
    return tuple(sorted(word for word, count in counts.items() if count >= least))


def _held(name: str, asked: Asked, known: Known) -> Column:
    own, section = asked.preprocessing.of(name), asked.preprocessing
    feature = name in asked.features
    usual = section.missing_indicators and known.missing
    indicator = feature and (usual if own.missing_indicator is None else own.missing_indicator)
    encode = encode_of(name, known.kind, section)
    if encode is None:
        number = _number(name, section)
        return number.model_copy(update={"indicator": indicator, "feature": feature})
    words = _words(known, section)
    impute = own.impute or section.impute
    value = 0.0
    if impute == "constant":
        value = float(words.index(_word(own.value)))
    elif impute == "most_frequent":
        counts = known.words or {}
        value = float(max(range(len(words)), key=lambda place: counts.get(words[place], 0)))
    impute = "none" if impute in _WORDLESS else impute
    return Column(name=name, words=words, impute=impute, value=value, indicator=indicator, encode=encode, scale="none")


def _number(name: str, section: Preprocessing) -> Column:
    own = section.of(name)
    impute: Impute = own.impute or section.impute
    value = own.value if own.value is not None else section.value
    return Column(
        name=name,
        impute=impute,
        value=float(value) if impute == "constant" and value is not None else 0.0,
        scale=own.scale or section.scale,
    )


def _words(known: Known, section: Preprocessing) -> tuple[str, ...]:
    return _BOOLEANS if known.kind is Kind.BOOLEAN else vocabulary(known.words or {}, section.min_count)


def _word(value: bool | float | str | None) -> str:  # noqa: FBT001 - as YAML has it
    """A word as it is registered, however YAML takes it: ``true`` and ``7`` without quotes are no text there."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _unknown(asked: Asked) -> Iterator[str]:
    """Names that are no column here."""
    names = {*asked.columns, *made(asked.derived)}
    for name in asked.preprocessing.columns:
        if name not in names:
            yield f"preprocessing.columns names {name!r}, which is no feature; {known_or_nearest(name, names)}"
    shown = {*asked.features, *made(asked.derived)}
    for each in asked.derived:
        for name in each.of if each.make == "pca" else ():
            if name not in shown:
                yield f"a pca is made of {name!r}, which is no feature; {known_or_nearest(name, shown)}"


def _unfit(asked: Asked, known: Mapping[str, Known]) -> Iterator[str]:
    """What cannot be done to a column."""
    section = asked.preprocessing
    for name in asked.columns:
        encode = encode_of(name, known[name].kind, section)
        yield from _unfit_words(name, asked, known[name]) if encode else _unfit_number(name, section)
        if encode is None and known[name].kind is Kind.TEXT:
            yield f"column {name!r} holds text: say preprocessing.encode, onehot or ordinal, or leave it out"
        if known[name].kind is Kind.OTHER:
            yield f"column {name!r} holds one thing at one edge and another at the next: have it ingested alike"
        elif section.of(name).encode is not None and known[name].kind not in {Kind.TEXT, Kind.BOOLEAN}:
            yield f"column {name!r} holds numbers, which are not encoded"
    for each in asked.derived:
        for name in each.of if each.make != "pca" else ():
            if encode_of(name, known[name].kind, section) is not None:
                yield f"a {each.make} is made of {name!r}, which holds words: only numbers can be reckoned with"
        for name in made_names(each):
            yield from _unfit_number(name, section)


def _unfit_number(name: str, section: Preprocessing) -> Iterator[str]:
    own = section.of(name)
    impute = own.impute or section.impute
    value = own.value if own.value is not None else section.value
    if impute == "most_frequent":
        yield (
            f"the most frequent number of {name!r} is not known: some row's number would leave its site; fill in the "
            "median, or encode the column"
        )
    if impute == "constant" and not isinstance(value, float):
        yield f"column {name!r} is filled in with a constant: 'value' must be a number, found {value!r}"


def _unfit_words(name: str, asked: Asked, known: Known) -> Iterator[str]:
    own, section = asked.preprocessing.of(name), asked.preprocessing
    words = _words(known, section)
    if not words:
        yield f"no word of column {name!r} was registered in {section.min_count} training rows or more: leave it out"
    if (own.impute or section.impute) == "most_frequent" and not known.words:
        yield f"which word of column {name!r} is the most frequent was not registered: fill in a constant"
    if own.scale not in {None, "none"}:
        yield f"column {name!r} holds words, which are not scaled"
    word = _word(own.value)
    if (own.impute or section.impute) == "constant" and word not in words:
        yield (
            f"column {name!r} is filled in with a constant: preprocessing.columns must give its 'value', one of its "
            f"words, found {own.value!r}; {known_or_nearest(word, words)}"
        )


def _twice(prepared: Preparation) -> Iterator[str]:
    names: Sequence[str] = (*prepared.scaled, *prepared.names[len(prepared.stay) :])
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two features are called {name!r}: make it once"
    if not prepared.names:
        yield "no feature is left"
    if len(prepared.names) > _MOST_NAMES:
        yield f"they are {len(prepared.names)}, and at most {_MOST_NAMES} can be learnt from"


def _uncomponent(prepared: Preparation) -> Iterator[str]:
    columns = {column.name: column for column in prepared.columns}
    for each in prepared.components:
        inputs = len(prepared.inputs(each))
        if (each.components or 0) > inputs:
            yield f"a pca of {inputs} features has at most {inputs} components, not {each.components}"
        for name in each.of:
            if columns[name].impute == "none" and columns[name].words is None:
                yield f"a pca is made of {name!r}, whose missing cells are not filled in"
