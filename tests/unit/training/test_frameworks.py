"""The behaviour suite of frameworks: what each of them has to keep, whatever it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import nn

from training.errors import TrainingError
from training.frameworks import sklearn
from training.frameworks import torch as pytorch
from training.plan import Training
from training.registry import Parameters, Plugin, Problem, Rows, TabularModel

SEED = 3
FEATURES = 5


@dataclass(frozen=True)
class Case:
    """A framework, and a model of it."""

    plugin: Plugin
    make: Callable[[], Any]
    classes: int | None
    training: Training

    def model(self, seed: int = SEED, classes: int | None = None) -> TabularModel:
        self.plugin.begin(seed)
        return self.plugin.tabular(self.make(), Problem(FEATURES, classes or self.classes))

    def rows(self, count: int = 60) -> Rows:
        random = np.random.default_rng(1)
        inputs = random.normal(size=(count, FEATURES))
        score = inputs @ np.linspace(-1.0, 1.0, FEATURES) + 0.3 * random.normal(size=count)
        if self.classes is None:
            return Rows(inputs, score)
        cuts = np.quantile(score, np.linspace(0, 1, self.classes + 1)[1:-1])
        return Rows(inputs, np.searchsorted(cuts, score).astype(np.int64))

    def learn(self, parameters: Parameters, *, seed: int = SEED, cycle: int = 1, model: Any = None) -> Parameters:
        model = model or self.model()
        return model.trained(parameters, self.rows(), self.training, seed=seed, cycle=cycle, report=lambda *_: None)


def layers(outputs: int, *more: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(FEATURES, 8), *more, nn.ReLU(), nn.Linear(8, outputs))


STEPS = Training(epochs=8, learning_rate=0.05, batch_size=8)
ADAM = STEPS.model_copy(update={"optimizer": "adam", "learning_rate": 0.01})
CASES = {
    "sklearn, logistic": Case(sklearn, LogisticRegression, 3, Training(epochs=3)),
    "sklearn, SGD": Case(sklearn, lambda: SGDClassifier(loss="log_loss"), 2, Training(epochs=3)),
    "sklearn, SGD, numbers": Case(sklearn, SGDRegressor, None, Training(epochs=3)),
    "sklearn, layers": Case(sklearn, lambda: MLPClassifier((8,)), 3, STEPS),
    "sklearn, layers, numbers": Case(sklearn, lambda: MLPRegressor(hidden_layer_sizes=(8,)), None, STEPS),
    "torch, layers": Case(pytorch, layers(3), 3, STEPS),
    "torch, dropout and normalisation": Case(pytorch, layers(3, nn.BatchNorm1d(8), nn.Dropout(0.3)), 3, ADAM),
    "torch, one output": Case(pytorch, layers(1), 2, STEPS),
    "torch, numbers": Case(pytorch, layers(1), None, STEPS),
    "torch, float64": Case(pytorch, lambda: layers(3)().to(torch.float64), 3, STEPS),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def same(one: Parameters, other: Parameters) -> bool:
    assert one.keys() == other.keys()
    return all(np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one)


def form(parameters: Parameters) -> dict[str, tuple[Any, tuple[int, ...]]]:
    return {name: (np.asarray(each).dtype, np.asarray(each).shape) for name, each in parameters.items()}


def test_parameters_are_arrays_of_its_own(case: Case) -> None:
    model = case.model()
    first = model.initial(SEED)
    assert first
    assert all(isinstance(each, np.ndarray) and each.dtype.kind in "fiub" for each in first.values())
    before = {name: each.copy() for name, each in first.items()}
    case.learn(first, model=model)
    assert same(first, before), "what it was given, or what it gave before, was changed"


def test_the_first_model_follows_from_the_seed(case: Case) -> None:
    assert same(case.model().initial(SEED), case.model().initial(SEED))


def test_training_changes_the_parameters_and_keeps_their_form(case: Case) -> None:
    first = case.model().initial(SEED)
    after = case.learn(first)
    assert not same(first, after)
    assert form(first) == form(after)
    assert all(np.isfinite(each).all() for each in after.values())


def test_the_same_work_gives_the_same_bits(case: Case) -> None:
    first = case.model().initial(SEED)
    once = case.learn(first)
    assert same(once, case.learn(first))
    model = case.model()
    case.learn(once, model=model, cycle=2)
    model.initial(SEED)
    assert same(once, case.learn(first, model=model)), "something of an earlier training was left"


def test_the_order_of_rows_follows_from_seed_and_cycle(case: Case) -> None:
    if "batch_size" not in case.training.model_fields_set:
        pytest.skip("it goes over all rows alike")
    first = case.model().initial(SEED)
    once = case.learn(first)
    assert not same(once, case.learn(first, seed=SEED + 1))
    assert not same(once, case.learn(first, cycle=2))


def test_training_makes_predictions_better(case: Case) -> None:
    model, rows = case.model(), case.rows()
    first = model.initial(SEED)
    after = case.learn(case.learn(first), cycle=2)
    if case.classes is None:
        error = [np.mean((model.values(each, rows.inputs) - rows.target) ** 2) for each in (first, after)]
        assert error[1] < 0.6 * error[0]
    else:
        right = [np.mean(model.classes(each, rows.inputs).codes == rows.target) for each in (first, after)]
        assert right[1] > max(0.6, right[0])


def test_predictions_have_one_form(case: Case) -> None:
    model, rows = case.model(), case.rows()
    after = case.learn(model.initial(SEED))
    for count in (0, 1, 60):
        if case.classes is None:
            assert model.values(after, rows.inputs[:count]).shape == (count,)
            continue
        found = model.classes(after, rows.inputs[:count])
        assert found.codes.shape == (count,)
        if found.probabilities is not None:
            assert found.probabilities.shape == (count, case.classes)
            np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0)
            assert (found.probabilities.argmax(axis=1) == found.codes).all()


def test_predicting_is_not_training(case: Case) -> None:
    model, rows = case.model(), case.rows()
    first = model.initial(SEED)
    predict = model.values if case.classes is None else model.classes
    once, again = (predict(first, rows.inputs) for _ in range(2))
    assert np.array_equal(getattr(once, "codes", once), getattr(again, "codes", again))
    assert same(case.learn(first, model=model), case.learn(first))


def test_progress_is_told_by_epochs(case: Case) -> None:
    told: list[tuple[int, int, float | None]] = []
    model = case.model()
    model.trained(
        model.initial(SEED), case.rows(), case.training, seed=SEED, cycle=1, report=lambda *each: told.append(each)
    )
    assert told[-1][:2] == (case.training.epochs, case.training.epochs)
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told})


def test_an_edge_may_have_a_single_row_or_class(case: Case) -> None:
    model, rows = case.model(), case.rows()
    few = Rows(rows.inputs[:2], rows.target[:2] * 0)
    after = model.trained(model.initial(SEED), few, case.training, seed=SEED, cycle=1, report=lambda *_: None)
    assert form(after) == form(model.initial(SEED))


def test_a_model_for_something_else_is_refused(case: Case) -> None:
    with pytest.raises(TrainingError) as caught:
        other = Case(case.plugin, object, case.classes, case.training)
        other.model()
    assert caught.value.code == "model.estimator"


FIELDS: dict[str, object] = {
    "learning_rate": 0.003,
    "batch_size": 16,
    "momentum": 0.7,
    "weight_decay": 0.2,
    "optimizer": "adagrad",
}


@pytest.mark.parametrize("field", [*FIELDS, "loss"])
def test_a_field_of_the_plan_is_used_or_refused(case: Case, field: str) -> None:
    """What is said is never ignored: it changes the outcome, or is an error."""
    first = case.model().initial(SEED)
    value = FIELDS.get(field, "huber" if case.classes is None else "multi_margin")
    changed = Case(case.plugin, case.make, case.classes, case.training.model_copy(update={field: value}))
    refused, other = None, first
    try:
        other = changed.learn(first)
    except TrainingError as error:
        refused = error
    if refused is None:
        assert not same(case.learn(first), other)
    else:
        assert refused.code == "plan.training"
        assert field in refused.message
