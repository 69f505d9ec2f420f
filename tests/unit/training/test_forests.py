"""Forests in federation: every tree counts, and what the arrays predict is what scikit-learn predicts, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

from training.categories import tabular
from training.categories.tabular import Run, Table, Task
from training.errors import TrainingError
from training.frameworks import sklearn as plugin
from training.frameworks.sklearn import trees
from training.plan import Training
from training.registry import Problem, Rows
from training.scores import Where
from training.seeds import derive
from training.weights import KEEP, Weights

SEED = 7
CASES = [
    (RandomForestClassifier(8), load_breast_cancer),
    (ExtraTreesClassifier(5, min_samples_leaf=3), load_iris),
    (RandomForestRegressor(6, min_samples_leaf=5), load_diabetes),
    (ExtraTreesRegressor(4, max_depth=4), load_diabetes),
]
Estimator = Any


def loaded(loader: Callable[..., Any]) -> tuple[Table, Task]:
    features, target = loader(return_X_y=True)
    names = tuple(f"f{n}" for n in range(features.shape[1]))
    classes = None if loader is load_diabetes else tuple(map(str, np.unique(target)))
    return Table(features, target), Task(names, "y", classes)


def first_of(estimator: Estimator, edges: list[Table], task: Task) -> Weights:
    parts = [tabular.statistics(edge, task) for edge in edges]
    sums = {name: sum(part.tensors[name] for part in parts) for name in parts[0].tensors}
    model = plugin.tabular(estimator, task.problem)
    return tabular.initialise(Weights(sums, parts[0].reductions), model, task, "mean", {}, SEED)


def trained(estimator: Estimator, edges: list[Table], task: Task, cycles: int, **training: Any) -> Weights:
    """As the aggregator joins them: the edges' new trees behind those that were there."""
    model, whole = plugin.tabular(estimator, task.problem), first_of(estimator, edges, task)
    for cycle in range(1, cycles + 1):
        run = Run(Training(**training), SEED, cycle, lambda *_: None)
        for update in [tabular.train(edge, whole, model, task, run).weights for edge in edges]:
            whole = whole.grown(update)
    return whole


@pytest.mark.parametrize(("estimator", "loader"), CASES)
def test_the_union_predicts_what_the_estimators_do_together(estimator: Estimator, loader: Callable[..., Any]) -> None:
    table, task = loaded(loader)
    edges = [table.take(np.arange(start, len(table), 3)) for start in range(3)]
    whole = trained(estimator, edges, task, cycles=2)
    assert len(whole.tensors["model.trees.nodes"]) == 3 * 2 * estimator.n_estimators
    assert {whole.reductions[f"model.{name}"] for name in trees.REDUCTIONS} == {"union:trees", "union:nodes"}
    assert whole.reductions["preprocessing.mean"] == KEEP

    inputs = tabular._standardised(table.features, whole)
    together = None
    for cycle in (1, 2):
        for edge in edges:
            rows = Rows(tabular._standardised(edge.features, whole), tabular._scaled_target(edge.target, whole, task))
            seed = derive(SEED, "trees", cycle, trees.fingerprint(rows))
            own = type(estimator)(**{**estimator.get_params(), "random_state": seed}).fit(rows.inputs, rows.target)
            if together is None:
                together = own
            else:
                together.estimators_ += own.estimators_
    assert together is not None
    model = plugin.tabular(estimator, task.problem)
    if task.classes is None:
        expected, found = together.predict(inputs), model.values(whole.part("model"), inputs)
    else:
        expected = together.predict_proba(inputs)
        prediction = model.classes(whole.part("model"), inputs)
        assert prediction.codes.tolist() == together.predict(inputs).tolist()
        assert prediction.probabilities is not None
        found = prediction.probabilities
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("estimator", "loader"), CASES)
def test_the_same_rows_and_seed_give_the_same_trees_and_others_do_not(
    estimator: Estimator, loader: Callable[..., Any]
) -> None:
    table, task = loaded(loader)
    edges = [table.take(np.arange(start, len(table), 3)) for start in range(3)]
    one, two = (trained(estimator, edges, task, cycles=2) for _ in range(2))
    assert all(one.tensors[name].tobytes() == two.tensors[name].tobytes() for name in one.tensors)
    nodes = one.tensors["model.nodes.threshold"]
    parts = np.split(nodes, np.cumsum(one.tensors["model.trees.nodes"])[:-1])
    assert len({part.tobytes() for part in parts}) == len(parts), "no tree is there twice"


@pytest.mark.parametrize(("estimator", "loader", "name", "least"), [
    (RandomForestClassifier(10, min_samples_leaf=2), load_breast_cancer, "accuracy", 0.95),
    (RandomForestRegressor(20, min_samples_leaf=5), load_diabetes, "r2", 0.5),
])  # fmt: skip
def test_forests_learn(estimator: Estimator, loader: Callable[..., Any], name: str, least: float) -> None:
    table, task = loaded(loader)
    whole = trained(estimator, [table.take(np.arange(n, len(table), 3)) for n in range(3)], task, 1)
    found = tabular.score(table, whole, plugin.tabular(estimator, task.problem), task, Where("test", "received"))
    value = next(score for score in found if score.name == name).value
    assert value is not None
    assert value > least


def test_an_edge_may_lack_classes() -> None:
    table, task = loaded(load_iris)
    lacking = [table.take(np.flatnonzero(table.target != code)) for code in range(3)]
    lone = table.take(np.flatnonzero(table.target == 2))
    whole = trained(RandomForestClassifier(5), [*lacking, lone], task, 1, validation_split=0.2)
    assert whole.tensors["model.nodes.value"].shape[1] == 3
    found = tabular.score(
        table, whole, plugin.tabular(RandomForestClassifier(5), task.problem), task, Where("test", "received")
    )
    assert next(score for score in found if score.name == "accuracy").value > 0.8  # type: ignore[operator]


def test_scores_are_those_of_the_model_with_the_new_trees() -> None:
    """A bad forest is there already: the few new trees alone would be perfect on the rows that they learnt."""
    table, task = loaded(load_breast_cancer)
    model = plugin.tabular(RandomForestClassifier(5, bootstrap=False), task.problem)
    flipped = Table(table.features, 1 - table.target)
    bad = trained(RandomForestClassifier(50), [flipped], task, 1)
    made = tabular.train(table, bad, model, task, Run(Training(), SEED, 2, lambda *_: None))
    found = {score.name: score.value for score in made.scores if score.stage == "trained"}
    assert len(made.weights.tensors["model.trees.nodes"]) == 5
    assert found["accuracy"] is not None
    assert found["accuracy"] < 0.1


def test_no_tree_at_all_predicts_nothing_in_particular() -> None:
    classifier = plugin.tabular(RandomForestClassifier(), Problem(2, 4))
    prediction = classifier.classes(classifier.initial(0), np.zeros((3, 2)))
    assert prediction.probabilities is not None
    assert prediction.probabilities.tolist() == [[0.25] * 4] * 3
    regressor = plugin.tabular(ExtraTreesRegressor(), Problem(2, None))
    assert regressor.values(regressor.initial(0), np.zeros((3, 2))).tolist() == [0.0] * 3
    assert len(classifier.classes(classifier.initial(0), np.zeros((0, 2))).codes) == 0


@pytest.mark.parametrize(
    "training", [Training(epochs=2), Training(batch_size=3), Training(learning_rate=0.1)], ids=lambda t: t.canonical
)
def test_what_a_forest_has_no_use_for_is_refused(training: Training) -> None:
    model = plugin.tabular(RandomForestClassifier(), Problem(2, 2))
    rows = Rows(np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    with pytest.raises(TrainingError) as refused:
        model.trained(model.initial(0), rows, training, seed=0, cycle=1, report=lambda *_: None)
    assert refused.value.code == "plan.training"


SMALL = {
    trees.NODES: np.array([3, 1], np.int64),
    trees.LEFT: np.array([1, -1, -1, -1], np.int32),
    trees.RIGHT: np.array([2, -1, -1, -1], np.int32),
    trees.FEATURE: np.array([1, -1, -1, -1], np.int32),
    trees.THRESHOLD: np.array([0.5, 0.0, 0.0, 0.0]),
    trees.VALUE: np.array([[0.0], [2.0], [4.0], [10.0]]),
}


def test_a_forest_by_hand() -> None:
    found = trees.predicted(SMALL, np.array([[9.0, 0.5], [9.0, 0.6]]), Problem(2, None))
    assert found[:, 0].tolist() == [6.0, 7.0]


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        (trees.NODES, [3, 2], "number of its nodes"),
        (trees.NODES, [4, 0], "sizes of its trees"),
        (trees.NODES, [2**63 - 1, 1], "sizes of its trees"),
        (trees.LEFT, [0, -1, -1, -1], "children"),
        (trees.LEFT, [3, -1, -1, -1], "children"),
        (trees.RIGHT, [2**31 - 1, -1, -1, -1], "children"),
        (trees.RIGHT, [-1, -1, -1, -1], "children"),
        (trees.RIGHT, [2, 2, -1, -1], "leaves"),
        (trees.FEATURE, [2, -1, -1, -1], "columns"),
        (trees.FEATURE, [-1, -1, -1, -1], "columns"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(name: str, values: list[int], what: str) -> None:
    bad = {**SMALL, name: np.array(values, SMALL[name].dtype)}
    with pytest.raises(TrainingError, match=what) as refused:
        trees.predicted(bad, np.zeros((2, 2)), Problem(2, None))
    assert refused.value.code == "model.trees"
