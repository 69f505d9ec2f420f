"""Tabular classification and regression, with preprocessing that is the same at every edge.

What the edges sum up over their rows (see ``training.preprocessing``) gives what is needed to fill in, encode and scale
all of them alike. It becomes part of the model, under ``preprocessing``, and is kept as it is. A regression's target is
standardised too, and its predictions are given back in its own unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import splitting, weighting
from training.dataset import Dataset
from training.errors import data_error, egress_error, model_error
from training.guidance import Run, controls, learn
from training.plan import Strategy
from training.preprocessing import apply, fit, passes
from training.preprocessing.preparation import Preparation
from training.registry import GuidedModel, Parameters, Problem, Rows, TabularModel
from training.scores import ClassPrediction, Score, Scored, Where
from training.scoring.classes import classification
from training.scoring.numbers import regression
from training.seeds import derive
from training.weights import KEEP, STATISTIC, Weights, named


@dataclass(frozen=True)
class Task:
    """What is learnt from what.

    Attributes:
        features: Names of the columns that are read.
        target: Column name.
        classes: All labels of all edges, sorted; ``None`` for a number.
        preparation: What is done to the columns; ``None``: they are numbers, and standardised.
    """

    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...] | None
    preparation: Preparation | None = None

    @cached_property
    def prepared(self) -> Preparation:
        """What is done to the columns."""
        return self.preparation or Preparation.plain(self.features)

    @property
    def problem(self) -> Problem:
        """Its shape, as the model sees it."""
        return Problem(len(self.prepared.names), None if self.classes is None else len(self.classes))


@dataclass(frozen=True)
class Table:
    """Rows as they are: features float64 (rows, columns), and the target as codes or numbers (rows,).

    A missing cell is NaN. A word is its place among those that the preparation knows, -1 if it is none of them.
    """

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
    features = read_features(dataset, split, task)
    target: NDArray[Any]
    if task.classes is None:
        target = dataset.numbers(task.target, split)
        known = np.isfinite(target)
    else:
        target = _codes(*dataset.labels(task.target, split), task)
        known = target >= 0
    return Table(features[known], target[known])


def read_features(dataset: Dataset, split: str, task: Task) -> NDArray[np.float64]:
    """The features of all rows of a split, see ``Table``; there need be no target.

    Raises:
        TrainingError: A column is missing or of the wrong kind.
    """
    words = task.prepared.words
    columns = [
        _places(*dataset.labels(name, split), words[name]) if name in words else dataset.numbers(name, split)
        for name in task.features
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((dataset.rows(split), 0))


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


def _places(codes: NDArray[np.int32], labels: tuple[str, ...], words: tuple[str, ...]) -> NDArray[np.float64]:
    places = {word: place for place, word in enumerate(words)}
    lookup = np.array([places.get(label, -1) for label in labels] + [np.nan], np.float64)
    return lookup[codes]


def statistics(table: Table, task: Task, before: Weights | None = None) -> Weights:
    """What is summed up over the rows in one pass, to be summed over the edges; of the target too, if it is a number.

    Args:
        table: The rows.
        task: What is learnt from what.
        before: The sums over all edges of the passes before; ``None`` in the first.

    Raises:
        TrainingError: A column holds numbers too large to be summed up.
    """
    wide = apply.widened(table.features, task.prepared)
    return passes.summed(wide, table.target if task.classes is None else None, task.prepared, before)


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
    scaling = named("preprocessing", fit.fitted(sums, task.prepared))
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
    facts |= {"classes": classes, **fit.about(task.prepared)}
    return Weights({**scaling, **parameters, **beside}, reductions, facts)


def reductions_of(model: TabularModel, parameters: Parameters, learnt: str) -> dict[str, str]:
    """How updates of each parameter are combined: what is learnt as ``learnt`` says.

    Floats that are counted or fixed, such as running means, are averaged apart from that; whole numbers are averaged
    whatever they are, as no strategy learns them; what cannot be averaged is kept.
    """
    apart = parameters.keys() - model.learnt if isinstance(model, GuidedModel) else frozenset()
    kinds = {name: np.asarray(values).dtype for name, values in parameters.items()}
    usual = {
        name: KEEP if kind.kind == "b" else STATISTIC if name in apart and kind.kind == "f" else learnt
        for name, kind in kinds.items()
    }
    # Only plug-ins whose parameters are not all combined alike say how each of them is.
    return {**usual, **getattr(model, "reductions", {})}


@dataclass(frozen=True)
class Trained:
    """What came of training: the weights, rows trained on, what is said of the models, and what the edge is to keep."""

    weights: Weights
    examples: int
    scored: tuple[Scored, ...]
    state: Weights | None = None

    @property
    def scores(self) -> tuple[Score, ...]:
        """All metrics."""
        return tuple(score for scored in self.scored for score in scored.scores)


def train(table: Table, received: Weights, model: TabularModel, task: Task, run: Run) -> Trained:
    """Train on the part of ``table`` that is not kept for validation.

    Raises:
        TrainingError: There is nothing to train on.
    """
    learning, validation = _parts(table, task, run)
    if not len(learning):
        raise data_error("data.empty", "there is no row to train on")
    counted = _counted(learning, model, task, run)
    rows = Rows(inputs(learning.features, received, task), _scaled_target(learning.target, received, task), counted)
    weights, state = learn(received, model, rows, run)
    whole = received.grown(weights)
    kept = len(validation) > 0
    found = [
        *([scored(validation, received, model, task, Where("validation", "received"), full=False)] if kept else []),
        scored(learning, whole, model, task, Where("train", "trained"), full=False),
        *([scored(validation, whole, model, task, Where("validation", "trained"), full=False)] if kept else []),
    ]
    return Trained(weights, len(learning), tuple(found), state)


def kept_for_validation(table: Table, task: Task, run: Run) -> Table:
    """The rows of ``table`` that ``train`` keeps for validation."""
    return _parts(table, task, run)[1]


def scored(
    table: Table, weights: Weights, model: TabularModel, task: Task, where: Where, *, full: bool = True
) -> Scored:
    """Metrics and the tally of a model on the rows of ``table``; ``full``: all of them."""
    predicted = predict(table.features, weights, model, task)
    if isinstance(predicted, ClassPrediction):
        assert task.classes is not None
        return classification(table.target, predicted, len(task.classes), where, full=full)
    return regression(table.target, predicted, where, full=full)


def score(table: Table, weights: Weights, model: TabularModel, task: Task, where: Where) -> tuple[Score, ...]:
    """Metrics of a model on the rows of ``table``."""
    return scored(table, weights, model, task, where).scores


def predict(
    features: NDArray[np.float64], weights: Weights, model: TabularModel, task: Task
) -> ClassPrediction | NDArray[np.float64]:
    """Predict for ``features``, rows as they are, see ``Table``."""
    seen, parameters = inputs(features, weights, task), weights.part("model")
    if task.classes is not None:
        return model.classes(parameters, seen)
    mean, scale = (weights.tensors[f"preprocessing.{name}"][-1] for name in ("mean", "scale"))
    values: NDArray[np.float64] = model.values(parameters, seen) * scale + mean
    return values


def inputs(features: NDArray[np.float64], weights: Weights, task: Task) -> NDArray[np.float64]:
    """What the model sees of ``features``, rows as they are: shape (rows, ``task.problem.features``)."""
    return apply.transformed(features, weights.part("preprocessing"), task.prepared)


def task_of(weights: Weights) -> Task:
    """What a model learnt from what, as it says itself: enough to predict from columns as owners hold them.

    Raises:
        TrainingError: It says nothing of that.
    """
    said = weights.about
    try:
        preparation = Preparation.model_validate(said["preparation"]) if "preparation" in said else None
        classes = None if said["classes"] is None else tuple(said["classes"])
        return Task(tuple(said["features"]), said["target"], classes, preparation)
    except (KeyError, TypeError, ValueError) as error:
        raise egress_error(
            "weights.format", "the model does not say what it was made from: download it anew"
        ) from error


def _scaled_target(target: NDArray[Any], weights: Weights, task: Task) -> NDArray[Any]:
    if task.classes is not None:
        return target
    mean, scale = (weights.tensors[f"preprocessing.{name}"][-1] for name in ("mean", "scale"))
    result: NDArray[Any] = (target - mean) / scale
    return result


def _counted(table: Table, model: TabularModel, task: Task, run: Run) -> NDArray[np.float64] | None:
    """What each row counts in training."""
    found = weighting.of_rows(run.training.class_weights, task.classes, table.target)
    if found is not None and not getattr(model, "weighs_rows", False):
        raise model_error(
            "plan.training", f"{model.name} cannot weight rows: leave training.class_weights out of the plan"
        )
    return found


def _parts(table: Table, task: Task, run: Run) -> tuple[Table, Table]:
    """Rows to learn from and rows kept for validation: the same in every cycle, see ``training.splitting``."""
    share = run.training.validation_split
    if share == 0.0:
        return table, table.take(np.zeros(0, np.intp))
    random = np.random.Generator(np.random.PCG64(derive(run.seed, "validation")))
    groups = [np.arange(len(table))] if task.classes is None else _by_class(table.target)
    kept = [random.permutation(group)[: splitting.kept(len(group), share)] for group in groups if len(group)]
    validation = np.sort(np.concatenate([np.zeros(0, np.intp), *kept]).astype(np.intp))
    return table.take(np.setdiff1d(np.arange(len(table)), validation)), table.take(validation)


def _by_class(target: NDArray[Any]) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(target == code) for code in np.unique(target)]
