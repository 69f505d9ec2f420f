"""From what a plan asks for to what is done to each column, with what the owners registered about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from training.errors import model_error
from training.preprocessing import refusals
from training.preprocessing.asked import Asked, Known, encode_of, word_of, words_of
from training.preprocessing.choices import Impute, Preprocessing
from training.preprocessing.preparation import Column, Preparation, made

_WORDLESS: Final = frozenset({"mean", "median"})
"""What makes no sense of words: a missing one stays as one that is not known."""


def settle(asked: Asked, known: Mapping[str, Known]) -> Preparation:
    """What is done to each column.

    Args:
        asked: By the plan.
        known: Column -> what the owners registered; holds all of ``asked.columns``.

    Raises:
        TrainingError: The plan asks for something that cannot be done; everything that is wrong is named.
    """
    _refuse([*refusals.unknown(asked), *refusals.unfit(asked, known)])
    held = [_held(name, asked, known[name]) for name in asked.columns]
    columns = (*held, *(_number(name, asked.preprocessing) for name in made(asked.derived)))
    prepared = Preparation(columns=columns, derived=asked.derived)
    _refuse([*refusals.unclear(prepared), *refusals.uncomponent(prepared)])
    return prepared


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise model_error("plan.features", f"the features cannot be made: {'; '.join(problems)}")


def _held(name: str, asked: Asked, known: Known) -> Column:
    own, section = asked.preprocessing.of(name), asked.preprocessing
    feature = name in asked.features
    usual = section.missing_indicators and known.missing
    indicator = feature and (usual if own.missing_indicator is None else own.missing_indicator)
    encode = encode_of(name, known.kind, section)
    if encode is None:
        number = _number(name, section)
        return number.model_copy(update={"indicator": indicator, "feature": feature})
    words = words_of(known, section)
    impute = own.impute or section.impute
    value = 0.0
    if impute == "constant":
        value = float(words.index(word_of(own.value)))
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
