"""What a plan asks for and cannot have, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from training.preprocessing.asked import Asked, Kind, Known, encode_of, word_of, words_of
from training.preprocessing.choices import MOST_FEATURES, Preprocessing
from training.preprocessing.derive import made_names
from training.preprocessing.preparation import Preparation, made
from training.suggestions import known_or_nearest

_MOST_INPUTS: Final = 2000
"""Features that go into one principal component analysis: their covariance then has 32 MB."""


def unknown(asked: Asked) -> Iterator[str]:
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


def unfit(asked: Asked, known: Mapping[str, Known]) -> Iterator[str]:
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
    words = words_of(known, section)
    if not words:
        yield f"no word of column {name!r} was registered in {section.min_count} training rows or more: leave it out"
    if (own.impute or section.impute) == "most_frequent" and not known.words:
        yield f"which word of column {name!r} is the most frequent was not registered: fill in a constant"
    if own.scale not in {None, "none"}:
        yield f"column {name!r} holds words, which are not scaled"
    word = word_of(own.value)
    if (own.impute or section.impute) == "constant" and word not in words:
        yield (
            f"column {name!r} is filled in with a constant: preprocessing.columns must give its 'value', one of its "
            f"words, found {own.value!r}; {known_or_nearest(word, words)}"
        )


def unclear(prepared: Preparation) -> Iterator[str]:
    """What is wrong with the features as a whole."""
    names = Counter((*prepared.scaled, *prepared.names[len(prepared.stay) :]))
    for name in sorted(name for name, times in names.items() if times > 1):
        yield f"two features are called {name!r}: make it once"
    if not prepared.names:
        yield "no feature is left"
    if len(prepared.names) > MOST_FEATURES:
        yield f"they are {len(prepared.names)}, and at most {MOST_FEATURES} can be learnt from"


def uncomponent(prepared: Preparation) -> Iterator[str]:
    """What is wrong with its principal components."""
    columns = {column.name: column for column in prepared.columns}
    for each in prepared.components:
        inputs = len(prepared.inputs(each))
        if (each.components or 0) > inputs:
            yield f"a pca of {inputs} features has at most {inputs} components, not {each.components}"
        if inputs > _MOST_INPUTS:
            yield f"a pca of {inputs} features is too large: at most {_MOST_INPUTS}"
        for name in each.of:
            if columns[name].impute == "none" and columns[name].words is None:
                yield f"a pca is made of {name!r}, whose missing cells are not filled in"
