"""From rows as owners hold them to what a model sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from training.preprocessing import sketch
from training.preprocessing.derive import made_values
from training.preprocessing.preparation import Column, Preparation

Numbers = NDArray[np.float64]


def widened(rows: Numbers, prepared: Preparation) -> Numbers:
    """All columns: those that an edge holds, and those that are made from them.

    Args:
        rows: float64 (rows, held columns), NaN where a cell is missing. Of words, their place among
            ``Column.words``, -1 for a word that is not known.
        prepared: What is done to the columns.
    """
    if not prepared.derived:
        return rows
    held = {column.name: rows[:, place] for place, column in enumerate(prepared.columns[: rows.shape[1]])}
    return np.column_stack([rows, *(values for each in prepared.derived for values in made_values(each, held))])


def numbers_of(wide: Numbers, prepared: Preparation) -> Numbers:
    """The columns of numbers, laid out row by row: the order in which floats are added decides about the last bit."""
    if len(prepared.numbers) == wide.shape[1]:
        return wide
    return np.ascontiguousarray(wide[:, prepared.numbers])


def transformed(rows: Numbers, fitted: Mapping[str, Numbers], prepared: Preparation) -> Numbers:
    """What the model sees, float64 (rows, ``len(prepared.names)``).

    Args:
        rows: As of ``widened``.
        fitted: The tensors of ``fit.fitted``.
        prepared: What is done to the columns.
    """
    features = scaled(widened(rows, prepared), fitted, prepared)
    if not prepared.components:
        return features
    parts = [features[:, prepared.stay]]
    for number, each in enumerate(prepared.components, start=1):
        centred = features[:, prepared.inputs(each)] - fitted[f"components_{number}_mean"]
        parts.append(centred @ fitted[f"components_{number}"].T)
    return np.concatenate(parts, axis=1)


def scaled(wide: Numbers, fitted: Mapping[str, Numbers], prepared: Preparation) -> Numbers:
    """All features before principal components: filled in, encoded and scaled; shape (rows, ``len(prepared.scaled)``).

    Args:
        wide: All columns, as ``widened`` gives them.
        fitted: The tensors of ``fit.scaling_of``.
        prepared: What is done to the columns.
    """
    numbers = _numbers(numbers_of(wide, prepared), fitted, prepared)
    if prepared.is_plain:
        return numbers
    places = {place: n for n, place in enumerate(prepared.numbers)}
    blocks = [
        numbers[:, [places[place]]] if place in places else _encoded(wide[:, place], column)
        for place, column in enumerate(prepared.columns)
        if column.feature
    ]
    missing = [~np.isfinite(wide[:, [p]]) for p, column in enumerate(prepared.columns) if column.indicator]
    return np.concatenate([np.zeros((len(wide), 0)), *blocks, *missing], axis=1)


def _numbers(cells: Numbers, fitted: Mapping[str, Numbers], prepared: Preparation) -> Numbers:
    width = cells.shape[1]
    mean, scale = (fitted[name][:width] for name in ("mean", "scale"))
    known = np.isfinite(cells)
    filled = np.where(known, cells, fitted.get("fill", mean))
    with np.errstate(over="ignore"):
        result = (filled - mean) / scale
    result = np.where(np.isfinite(result), result, 0.0)
    for place, ranks in _ranked(filled, fitted, prepared):
        result[:, place] = ranks
    for n, place in enumerate(prepared.numbers):
        if prepared.columns[place].impute == "none":
            result[~known[:, n], n] = np.nan
    return result


def _ranked(cells: Numbers, fitted: Mapping[str, Numbers], prepared: Preparation) -> Iterator[tuple[int, Numbers]]:
    """Columns that are scaled to ranks, as scikit-learn's ``QuantileTransformer`` does it.

    Where references are equal a value has many ranks; the mean of the lowest and the highest counts, but at the ends,
    which are 0 and 1. Values are rounded as the references are, so that what is equal stays equal.
    """
    columns = [n for n, place in enumerate(prepared.numbers) if prepared.columns[place].scale == "quantile"]
    for row, n in enumerate(columns):
        references = fitted["references"][row]
        ranks = np.linspace(0.0, 1.0, len(references))
        values = sketch.rounded(cells[:, n])
        upper = np.interp(values, references, ranks)
        lower = -np.interp(-values, -references[::-1], -ranks[::-1])
        inner = np.where(values >= references[-1], 1.0, (upper + lower) / 2)
        yield n, np.where(values <= references[0], 0.0, inner)


def _encoded(codes: Numbers, column: Column) -> Numbers:
    """Words as numbers; one that is missing and not filled in is as one that is not known."""
    filled = column.value if column.impute in {"constant", "most_frequent"} else -1.0
    places = np.where(np.isfinite(codes), codes, filled)[:, None]
    if column.encode == "ordinal":
        return places
    result: Numbers = (places == np.arange(len(column.words or ()))).astype(np.float64)
    return result
