"""Every supported estimator learns in federation, with the same digest each time, whatever classes an edge lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from training.categories import tabular
from training.categories.tabular import Table, Task, Trained
from training.errors import TrainingError
from training.frameworks import sklearn as plugin
from training.guidance import Run
from training.plan import Training
from training.registry import Problem, Rows
from training.scores import Where
from training.weights import KEEP, Weights

SEED = 7


@dataclass
class Federation:
    """Three edges in memory."""

    estimator: Any
    table: Table
    task: Task
    training: Training
    lacking: int | None = None

    def __post_init__(self) -> None:
        self.model = plugin.tabular(self.estimator, self.task.problem)
        self.edges = [self.table.take(np.arange(start, len(self.table), 3)) for start in range(3)]
        if self.lacking is not None:
            self.edges[0] = self.edges[0].take(np.flatnonzero(self.edges[0].target != self.lacking))

    def first(self) -> Weights:
        parts = [tabular.statistics(edge, self.task) for edge in self.edges]
        sums = {name: sum(part.tensors[name] for part in parts) for name in parts[0].tensors}
        return tabular.initialise(Weights(sums, parts[0].reductions), self.model, self.task, "mean", {}, SEED)

    def cycle(self, weights: Weights, number: int) -> Weights:
        run = Run(self.training, SEED, number, lambda *_: None)
        results = [tabular.train(edge, weights, self.model, self.task, run) for edge in self.edges]
        return Weights({n: self._mean(n, weights, results) for n in weights.tensors}, weights.reductions, weights.about)

    @staticmethod
    def _mean(name: str, weights: Weights, results: list[Trained]) -> np.ndarray:
        if weights.reductions[name] == KEEP:
            return weights.tensors[name]
        total = sum(result.examples for result in results)
        return sum(result.weights.tensors[name] * result.examples for result in results) / total

    def run(self, cycles: int) -> Weights:
        weights = self.first()
        for number in range(1, cycles + 1):
            weights = self.cycle(weights, number)
        return weights

    def score(self, weights: Weights, name: str) -> float:
        found = tabular.score(self.table, weights, self.model, self.task, Where("test", "received"))
        value = next(score for score in found if score.name == name).value
        assert value is not None
        return value


def classes(loader: Any) -> tuple[Table, Task]:
    features, target = loader(return_X_y=True)
    labels = tuple(map(str, np.unique(target)))
    return Table(features, target), Task(tuple(f"f{n}" for n in range(features.shape[1])), "y", labels)


def numbers() -> tuple[Table, Task]:
    features, target = load_diabetes(return_X_y=True)
    return Table(features, target), Task(tuple(f"f{n}" for n in range(features.shape[1])), "y", None)


CLASSIFIERS = [
    (LogisticRegression(), Training(epochs=5, validation_split=0.2), 3, 0.95),
    (LogisticRegression(solver="saga"), Training(epochs=20), 2, 0.9),
    (SGDClassifier(loss="log_loss"), Training(epochs=5), 3, 0.93),
    (SGDClassifier(), Training(epochs=5, learning_rate=0.01, shuffle=False), 3, 0.93),
    (MLPClassifier((16,)), Training(epochs=20, learning_rate=0.01, batch_size=16), 3, 0.93),
]


@pytest.mark.parametrize(("estimator", "training", "cycles", "least"), CLASSIFIERS)
def test_classifiers_learn(estimator: Any, training: Training, cycles: int, least: float) -> None:
    federation = Federation(estimator, *classes(load_breast_cancer), training)
    assert federation.score(federation.run(cycles), "accuracy") > least


@pytest.mark.parametrize(("estimator", "training", "cycles", "least"), CLASSIFIERS[:1] + CLASSIFIERS[2:])
def test_an_edge_may_lack_a_class(estimator: Any, training: Training, cycles: int, least: float) -> None:
    three = Federation(estimator, *classes(load_iris), training, lacking=2)
    assert three.score(three.run(cycles), "roc_auc" if hasattr(estimator, "predict_proba") else "accuracy") > 0.6
    one = Federation(estimator, *classes(load_breast_cancer), training, lacking=1)
    assert one.score(one.run(cycles), "accuracy") > 0.6


REGRESSORS = [
    (LinearRegression(), Training(), 1, 0.48),
    (Ridge(alpha=0.1), Training(), 1, 0.48),
    (SGDRegressor(), Training(epochs=5), 3, 0.45),
    (MLPRegressor(hidden_layer_sizes=(8,)), Training(epochs=20, learning_rate=0.01, validation_split=0.1), 3, 0.45),
]


@pytest.mark.parametrize(("estimator", "training", "cycles", "least"), REGRESSORS)
def test_regressors_learn_in_the_targets_own_unit(
    estimator: Any, training: Training, cycles: int, least: float
) -> None:
    federation = Federation(estimator, *numbers(), training)
    assert federation.score(federation.run(cycles), "r2") > least


@pytest.mark.parametrize(("estimator", "training", "cycles", "least"), CLASSIFIERS)
def test_the_same_seed_gives_the_same_bits(estimator: Any, training: Training, cycles: int, least: float) -> None:
    one, two = (Federation(estimator, *classes(load_iris), training).run(cycles) for _ in range(2))
    for name, tensor in one.tensors.items():
        assert tensor.tobytes() == two.tensors[name].tobytes()


@pytest.mark.parametrize(
    ("estimator", "training", "code"),
    [
        (DecisionTreeClassifier(), Training(), "model.estimator"),
        (make_pipeline(LogisticRegression()), Training(), "model.estimator"),
        (Ridge(), Training(), "model.category"),
        (LogisticRegression(solver="liblinear"), Training(), "model.solver"),
        (LogisticRegression(), Training(batch_size=8), "plan.training"),
        (LogisticRegression(C=-1.0), Training(), "model.training"),
        (MLPClassifier(solver="lbfgs"), Training(), "model.solver"),
        (SGDClassifier(average=True), Training(), "model.average"),
    ],
)
def test_what_cannot_be_trained_is_told_why(estimator: Any, training: Training, code: str) -> None:
    with pytest.raises(TrainingError) as caught:
        Federation(estimator, *classes(load_iris), training).run(1)
    assert caught.value.code == code


def test_closed_form_is_for_one_cycle() -> None:
    with pytest.raises(TrainingError, match="set cycles: 1"):
        Federation(Ridge(), *numbers(), Training()).run(2)


def test_the_number_of_steps_is_no_float_that_a_strategy_could_take_for_learnt() -> None:
    model = plugin.tabular(SGDClassifier(), Problem(2, 2))
    before = model.initial(0)
    rows = Rows(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]]), np.array([0, 1, 1]))
    after = model.trained(before, rows, Training(), seed=0, cycle=1, report=lambda *_: None)
    assert (before["steps"].dtype, after["steps"].dtype) == (np.int64, np.int64)
    assert after["steps"].tolist() == [4]


def test_training_that_leaves_the_numbers_says_so() -> None:
    training = Training(epochs=5, learning_rate=1e200)
    with pytest.raises(TrainingError, match="lower the learning rate") as caught:
        Federation(MLPRegressor(solver="sgd"), *numbers(), training).run(1)
    assert caught.value.code == "weights.finite"
