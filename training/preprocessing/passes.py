"""What an edge sums up over its training rows, pass by pass. Nothing else about them leaves it.

The first pass has no input. Each later one gets the sums over all edges of those before, hands them on as they are
(reduction ``keep``) and adds its own. ``Preparation.passes`` says how many there are:

* sums: count, sum and sum of squares of the known cells; octaves of the columns whose quantiles are needed
* quantiles, if any are needed: parts of the octaves that hold them
* covariances, if there are principal components: of features that are filled in and scaled
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.errors import data_error
from training.preprocessing import apply, fit, sketch
from training.preprocessing.preparation import Preparation
from training.weights import KEEP, SUM, Weights

Numbers = NDArray[np.float64]
PREFIX: Final = "statistics"


def summed(wide: Numbers, target: Numbers | None, prepared: Preparation, before: Weights | None) -> Weights:
    """The sums of the pass that comes after ``before``.

    Args:
        wide: All columns, see ``apply.widened``; shape (rows, columns).
        target: What is learnt, if it is a number; shape (rows,).
        prepared: What is done to the columns.
        before: Sums of the passes before, over all edges; ``None`` in the first.

    Raises:
        TrainingError: A column holds numbers that are too large to be squared and added.
    """
    if before is None:
        own = _sums(wide, target, prepared)
    elif prepared.sketched and f"{PREFIX}.refined" not in before.tensors:
        own = {f"{PREFIX}.refined": _refined(wide, prepared, before)}
    else:
        own = _covariances(wide, prepared, before)
    handed_on = {} if before is None else before.tensors
    return Weights({**handed_on, **own}, {**dict.fromkeys(handed_on, KEEP), **dict.fromkeys(own, SUM)})


def _sums(wide: Numbers, target: Numbers | None, prepared: Preparation) -> dict[str, NDArray[Any]]:
    columns = apply.numbers_of(wide, prepared)
    if target is not None:
        columns = np.column_stack([columns, target])
    known = np.isfinite(columns)
    values = np.where(known, columns, 0.0)
    with np.errstate(over="ignore"):
        squares = (values**2).sum(axis=0)
    if not np.isfinite(squares).all():
        place = int(np.flatnonzero(~np.isfinite(squares))[0])
        names = [*(prepared.columns[place].name for place in prepared.numbers), "the target"]
        raise data_error(
            "data.range", f"column {names[place]!r} holds numbers beyond 1e150 here: leave it out, or use a larger unit"
        )
    own: dict[str, NDArray[Any]] = {
        f"{PREFIX}.count": known.sum(axis=0).astype(np.float64),
        f"{PREFIX}.sum": values.sum(axis=0),
        f"{PREFIX}.sum_squares": squares,
    }
    if prepared.sketched:
        counts = [sketch.octaves(columns[known[:, n], n]) for n in prepared.sketched]
        own[f"{PREFIX}.octaves"] = np.stack(counts)
    return own


def _refined(wide: Numbers, prepared: Preparation, before: Weights) -> NDArray[np.int64]:
    columns = apply.numbers_of(wide, prepared)
    places = fit.refinements(before, prepared)
    # One row of zeros where there is nothing to look at: a tensor has elements.
    counts = np.zeros((max(1, len(places)), sketch.PARTS), np.int64)
    for row, (n, octave) in enumerate(places):
        values = columns[:, n]
        counts[row] = sketch.refined(values[np.isfinite(values)], octave)
    return counts


def _covariances(wide: Numbers, prepared: Preparation, before: Weights) -> dict[str, NDArray[Any]]:
    scaling = fit.scaling_of(before, prepared)
    inputs = apply.scaled(wide, scaling, prepared) - fit.centre(before, scaling, prepared)
    own: dict[str, NDArray[Any]] = {}
    for number, each in enumerate(prepared.components, start=1):
        rows = inputs[:, prepared.inputs(each)]
        own[f"{PREFIX}.components_{number}.rows"] = np.array([len(rows)], np.int64)
        own[f"{PREFIX}.components_{number}.sum"] = rows.sum(axis=0)
        own[f"{PREFIX}.components_{number}.products"] = rows.T @ rows
    return own
