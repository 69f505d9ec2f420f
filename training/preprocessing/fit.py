"""What follows from the edges' sums: the tensors that become part of the model, under ``preprocessing``.

==========================  =========================  =======================================================
tensor                      shape                      what
==========================  =========================  =======================================================
mean                        (numbers [+ target],)      what is subtracted from a number
scale                       (numbers [+ target],)      by what it is then divided
fill                        (numbers,)                 what a missing cell becomes, in the column's unit
references                  (quantile columns, 101)    percentiles of the columns that are scaled to ranks
components_N                (components, inputs)       directions of the Nth principal component analysis
components_N_mean           (inputs,)                  what is subtracted before
==========================  =========================  =======================================================

The plain preparation has the first two alone, as a missing cell is the mean there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.preprocessing import apply
from training.preprocessing.preparation import PERCENTILES, Column, Preparation
from training.preprocessing.sketch import Sketch, wanted
from training.weights import Weights

Numbers = NDArray[np.float64]
FLAT: Final = 1e-12
"""A column whose variance is below this share of its squared mean does not vary: rounding is all that is left."""


def fitted(sums: Weights, prepared: Preparation) -> dict[str, Numbers]:
    """All tensors.

    Args:
        sums: Of all passes, over all edges.
        prepared: What is done to the columns.
    """
    scaling = scaling_of(sums, prepared)
    if not prepared.components:
        return scaling
    centre_ = centre(sums, scaling, prepared)
    found = dict(scaling)
    for number, each in enumerate(prepared.components, start=1):
        rows, total, products = (
            sums.tensors[f"statistics.components_{number}.{name}"] for name in ("rows", "sum", "products")
        )
        count = max(1, int(rows[0]))
        mean = total / count
        found[f"components_{number}"] = directions(products / count - np.outer(mean, mean), each.components or 1)
        found[f"components_{number}_mean"] = centre_[list(prepared.inputs(each))] + mean
    return found


def scaling_of(sums: Weights, prepared: Preparation) -> dict[str, Numbers]:
    """The tensors that need no covariance."""
    mean, scale, flat = _standard(sums)
    if prepared.is_plain:
        return {"mean": mean, "scale": scale}
    columns = [prepared.columns[place] for place in prepared.numbers]
    sketches = _sketches(sums, prepared)
    fill = np.array([_fill(each, mean[n], sketches.get(n)) for n, each in enumerate(columns)], np.float64)
    for n, each in enumerate(columns):
        if each.scale != "standard":
            mean[n], scale[n] = _affine(each, sketches.get(n), flat=bool(flat[n]))
    ranked = [sketches[n].quantiles(PERCENTILES) for n, each in enumerate(columns) if each.scale == "quantile"]
    references = {"references": np.stack(ranked)} if ranked else {}
    return {"mean": mean, "scale": scale, "fill": fill, **references}


def refinements(sums: Weights, prepared: Preparation) -> list[tuple[int, int]]:
    """Which octaves are to be looked at closely, as places among the numbers and octaves; the same at every edge."""
    counts = sums.tensors["statistics.octaves"]
    columns = [prepared.columns[place] for place in prepared.numbers]
    return [
        (n, octave)
        for row, n in enumerate(prepared.sketched)
        for octave in wanted(counts[row], columns[n].probabilities)
    ]


def centre(sums: Weights, scaling: Mapping[str, Numbers], prepared: Preparation) -> Numbers:
    """Somewhere in the midst of the scaled features: covariances are computed from there, so as to lose no digits."""
    mean, _, _ = _standard(sums)
    row = np.full((1, len(prepared.columns)), np.nan)
    row[0, prepared.numbers] = mean[: len(prepared.numbers)]
    middle: Numbers = apply.scaled(row, scaling, prepared)[0]
    return middle


def directions(covariance: Numbers, count: int) -> Numbers:
    """Eigenvectors of the largest eigenvalues, shape (count, inputs), the largest first.

    An eigenvector's sign is free: here its element of the largest absolute value is positive, the first such one.
    """
    _, vectors = np.linalg.eigh(covariance)
    rows = vectors.T[::-1][:count]
    leading = rows[np.arange(len(rows)), np.argmax(np.abs(rows), axis=1)]
    return np.ascontiguousarray(rows * np.where(leading < 0, -1.0, 1.0)[:, None])


def _standard(sums: Weights) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Mean and standard deviation of every column, and whether it does not vary; the deviation is 1 then."""
    count, total, squares = (sums.tensors[f"statistics.{name}"] for name in ("count", "sum", "sum_squares"))
    rows = np.maximum(count, 1.0)
    mean = total / rows
    variance = np.maximum(squares / rows - mean**2, 0.0)
    flat = variance <= FLAT * np.maximum(mean**2, np.finfo(np.float64).tiny)
    return mean, np.where(flat, 1.0, np.sqrt(variance)), flat


def _sketches(sums: Weights, prepared: Preparation) -> dict[int, Sketch]:
    """Place among the numbers -> what is known of the column's quantiles."""
    if not prepared.sketched:
        return {}
    counts, parts = sums.tensors["statistics.octaves"], sums.tensors["statistics.refined"]
    places = refinements(sums, prepared)
    return {
        n: Sketch(counts[row], {octave: parts[k] for k, (m, octave) in enumerate(places) if m == n})
        for row, n in enumerate(prepared.sketched)
    }


def _fill(column: Column, mean: float, sketch: Sketch | None) -> float:
    match column.impute:
        case "median":
            assert sketch is not None
            return sketch.quantile(0.5)
        case "constant":
            return column.value
        case _:
            return mean


def _affine(column: Column, sketch: Sketch | None, *, flat: bool) -> tuple[float, float]:
    """What is subtracted, and by what is divided; 1 for a column that does not vary."""
    if sketch is None or column.scale in {"none", "quantile"}:
        return 0.0, 1.0
    if column.scale == "robust":
        low, middle, high = sketch.quantiles((0.25, 0.5, 0.75))
        return float(middle), float(high - low) or 1.0
    least, most = sketch.outermost()
    if column.scale == "maxabs":
        return 0.0, max(-least, most) or 1.0
    return least, 1.0 if flat else (most - least) or 1.0


def about(prepared: Preparation) -> dict[str, Any]:
    """What a model says about how its inputs are made, as plain JSON; nothing for the plain preparation."""
    if prepared.is_plain:
        return {}
    return {"preparation": prepared.model_dump(mode="json", exclude_defaults=True), "inputs": list(prepared.names)}
