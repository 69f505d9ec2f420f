"""Tabular classification and regression, with standardisation that is the same at every edge.

The edges' sums (count, sum, sum of squares of each column, missing cells left out) give mean and standard deviation
over all edges' rows. They become part of the model, under ``preprocessing``, and are kept as they are. A missing cell
counts as the mean. A regression's target is standardised too, and its predictions are given back in its own unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training import scores
from training.dataset import Dataset
from training.errors import data_error
from training.guidance import Run, controls, learn
from training.plan import Strategy
from training.registry import GuidedModel, Parameters, Problem, Rows, TabularModel
from training.scores import ClassPrediction, Score, Where
from training.seeds import derive
from training.weights import KEEP, STATISTIC, SUM, Weights, named

_FLAT: Final = 1e-12
"""A column whose variance is below this share of its squared mean does not vary: rounding is all that is left."""


@dataclass(frozen=True)
class Task:
    """What is learnt from what.

    Attributes:
        features: Column names.
        target: Column name.
        classes: All labels of all edges, sorted; ``None`` for a number.
    """

    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...] | None

    @property
    def problem(self) -> Problem:
        """Its shape."""
        return Problem(len(self.features), None if self.classes is None else len(self.classes))


@dataclass(frozen=True)
class Table:
    """Rows as they are: features float64 (rows, features) with NaN, and the target as codes or numbers (rows,)."""

    features: NDArray[np.float64]
    target: NDArray[Any]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Some of its rows."""
        return Table(self.features[rows], self.target[rows])


def read(dataset: Dataset, split: str, task: Task) -> Table:
    """The rows of a split whose target is known.

    Raises:
        TrainingError: A column is missing or of the wrong kind, or a label is none of the classes.
    """
    columns = [dataset.numbers(name, split) for name in task.features]
    features = np.stack(columns, axis=1) if columns else np.zeros((dataset.rows(split), 0))
    target: NDArray[Any]
    if task.classes is None:
        target = dataset.numbers(task.target, split)
        known = np.isfinite(target)
    else:
        target = _codes(*dataset.labels(task.target, split), task)
        known = target >= 0
    return Table(features[known], target[known])


def _codes(codes: NDArray[np.int32], labels: tuple[str, ...], task: Task) -> NDArray[np.int64]:
    assert task.classes is not None
    places = {label: place for place, label in enumerate(task.classes)}
    for code in np.unique(codes[codes >= 0]):
        if labels[code] not in places:
            raise data_error(
                "data.class", f"{task.target!r} has a class here that was not registered: register the dataset again"
            )
    lookup = np.array([places.get(label, -1) for label in labels] + [-1], np.int64)
    return lookup[codes]


def statistics(table: Table, task: Task) -> Weights:
    """Sums over the rows, to be summed over the edges; of the target too, if it is a number."""
    columns = table.features
    if task.classes is None:
        columns = np.column_stack([columns, table.target])
    known = np.isfinite(columns)
    values = np.where(known, columns, 0.0)
    tensors = {
        "statistics.count": known.sum(axis=0).astype(np.float64),
        "statistics.sum": values.sum(axis=0),
        "statistics.sum_squares": (values**2).sum(axis=0),
    }
    return Weights(tensors, dict.fromkeys(tensors, SUM))


def preprocessing(sums: Weights) -> dict[str, NDArray[np.float64]]:
    """Mean and scale of every column from the edges' summed statistics; a column that does not vary has scale 1."""
    count, total, squares = (sums.tensors[f"statistics.{name}"] for name in ("count", "sum", "sum_squares"))
    rows = np.maximum(count, 1.0)
    mean = total / rows
    variance = np.maximum(squares / rows - mean**2, 0.0)
    flat = variance <= _FLAT * np.maximum(mean**2, np.finfo(np.float64).tiny)
    return {"mean": mean, "scale": np.where(flat, 1.0, np.sqrt(variance))}


def initialise(
    sums: Weights,
    model: TabularModel,
    task: Task,
    reduction: str,
    about: dict[str, Any],
    seed: int,
    strategy: Strategy | None = None,
) -> Weights:
    """The first global model, and what the strategy wants beside it."""
    scaling = named("preprocessing", preprocessing(sums))
    first = model.initial(seed)
    parameters = named("model", dict(first))
    beside = controls(strategy, model, first)
    reductions = {
        **dict.fromkeys(scaling, KEEP),
        **named("model", reductions_of(model, first, reduction)),
        **dict.fromkeys(beside, reduction),
    }
    classes = None if task.classes is None else list(task.classes)
    facts = {**about, "estimator": model.name, "features": list(task.features), "target": task.target}
    return Weights({**scaling, **parameters, **beside}, reductions, {**facts, "classes": classes})


def reductions_of(model: TabularModel, parameters: Parameters, learnt: str) -> dict[str, str]:
    """How updates of each parameter are combined: what is learnt as ``learnt`` says.

    Floats that are counted or fixed, such as running means, are averaged apart from that; whole numbers are averaged
    whatever they are, as no strategy learns them; what cannot be averaged is kept.
    """
    apart = parameters.keys() - model.learnt if isinstance(model, GuidedModel) else frozenset()
    kinds = {name: np.asarray(values).dtype for name, values in parameters.items()}
    return {
        name: KEEP if kind.kind == "b" else STATISTIC if name in apart and kind.kind == "f" else learnt
        for name, kind in kinds.items()
    }


@dataclass(frozen=True)
class Trained:
    """What came of training: the weights, rows trained on, scores, and what the edge is to keep."""

    weights: Weights
    examples: int
    scores: tuple[Score, ...]
    state: Weights | None = None


def train(table: Table, received: Weights, model: TabularModel, task: Task, run: Run) -> Trained:
    """Train on the part of ``table`` that is not kept for validation.

    Raises:
        TrainingError: There is nothing to train on.
    """
    learning, validation = _parts(table, task, run)
    if not len(learning):
        raise data_error("data.empty", "there is no row to train on")
    rows = Rows(_standardised(learning.features, received), _scaled_target(learning.target, received, task))
    weights, state = learn(received, model, rows, run)
    found = [
        *(score(validation, received, model, task, Where("validation", "received")) if len(validation) else ()),
        *score(learning, weights, model, task, Where("train", "trained")),
        *(score(validation, weights, model, task, Where("validation", "trained")) if len(validation) else ()),
    ]
    return Trained(weights, len(learning), tuple(found), state)


def score(table: Table, weights: Weights, model: TabularModel, task: Task, where: Where) -> tuple[Score, ...]:
    """Metrics of a model on the rows of ``table``."""
    predicted = predict(table.features, weights, model, task)
    if isinstance(predicted, ClassPrediction):
        assert task.classes is not None
        return scores.classification(table.target, predicted, len(task.classes), where)
    return scores.regression(table.target, predicted, where)


def predict(
    features: NDArray[np.float64], weights: Weights, model: TabularModel, task: Task
) -> ClassPrediction | NDArray[np.float64]:
    """Predict for ``features``, shape (rows, features), not standardised."""
    inputs, parameters = _standardised(features, weights), weights.part("model")
    if task.classes is not None:
        return model.classes(parameters, inputs)
    mean, scale = (weights.tensors[f"preprocessing.{name}"][-1] for name in ("mean", "scale"))
    values: NDArray[np.float64] = model.values(parameters, inputs) * scale + mean
    return values


def _standardised(features: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    width = features.shape[1]
    mean, scale = (weights.tensors[f"preprocessing.{name}"][:width] for name in ("mean", "scale"))
    scaled = (features - mean) / scale
    return np.where(np.isfinite(scaled), scaled, 0.0)


def _scaled_target(target: NDArray[Any], weights: Weights, task: Task) -> NDArray[Any]:
    if task.classes is not None:
        return target
    mean, scale = (weights.tensors[f"preprocessing.{name}"][-1] for name in ("mean", "scale"))
    result: NDArray[Any] = (target - mean) / scale
    return result


def _parts(table: Table, task: Task, run: Run) -> tuple[Table, Table]:
    """Rows to learn from and rows kept for validation: the same in every cycle, by class where there are classes."""
    share = run.training.validation_split
    if share == 0.0:
        return table, table.take(np.zeros(0, np.intp))
    random = np.random.Generator(np.random.PCG64(derive(run.seed, "validation")))
    groups = [np.arange(len(table))] if task.classes is None else _by_class(table.target)
    kept = [
        random.permutation(group)[: min(round(len(group) * share), len(group) - 1)] for group in groups if len(group)
    ]
    validation = np.sort(np.concatenate([np.zeros(0, np.intp), *kept]).astype(np.intp))
    return table.take(np.setdiff1d(np.arange(len(table)), validation)), table.take(validation)


def _by_class(target: NDArray[Any]) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(target == code) for code in np.unique(target)]
