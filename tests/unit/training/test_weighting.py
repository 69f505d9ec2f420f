"""What rows of each class count: the numbers, and that edges with them come to what one place would."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from support.frameworks import FRAMEWORKS
from training.errors import TrainingError
from training.plan import Training
from training.registry import Parameters, Rows
from training.testing import Case
from training.weighting import balanced, of_rows, require_classes, settled

CLASSES = ("a", "b", "c")
NETWORK = """
from torch import nn

framework = "torch"
category = "tabular_classification"
main_method = "build"

def build(features):
    return nn.Linear(features, 3)
"""
SKEWED = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2] * 6)


def test_balanced_is_what_scikit_learn_has_over_all_rows() -> None:
    found = balanced({label: int((code == SKEWED).sum()) for code, label in enumerate(CLASSES)})
    np.testing.assert_allclose(
        [found[label] for label in CLASSES], compute_class_weight("balanced", classes=np.arange(3), y=SKEWED)
    )
    np.testing.assert_allclose(np.mean([found[CLASSES[code]] for code in SKEWED]), 1.0)


def test_a_class_without_training_rows_needs_no_weight() -> None:
    assert balanced({"a": 4, "b": 0, "c": 4}) == {"a": 1.0, "c": 1.0}


def test_numbers_are_taken_as_they_are() -> None:
    assert settled({"c": 9.0}, {"a": 1, "b": 2, "c": 3}) == {"c": 9.0}
    np.testing.assert_array_equal(of_rows({"c": 9.0}, CLASSES, np.array([2, 0, 2, 1])), [9.0, 1.0, 9.0, 1.0])
    assert of_rows(None, CLASSES, np.array([0])) is None


def test_labels_are_those_of_the_data_however_yaml_reads_them() -> None:
    said = Training.model_validate({"class_weights": {0: 1, True: 2, "no": 3}})
    assert said.class_weights == {"0": 1.0, "true": 2.0, "no": 3.0}
    assert Training.model_validate_json(said.canonical) == said


def test_what_cannot_be_weighted_is_refused() -> None:
    with pytest.raises(TrainingError, match="'x', which is no class of the target; expected one of a, b, c"):
        settled({"x": 1.0}, {"a": 1, "b": 2, "c": 3})
    with pytest.raises(TrainingError, match="no class of the target"):
        of_rows({"x": 1.0}, CLASSES, np.array([0]))
    with pytest.raises(TrainingError, match="has to be numbers before edges train"):
        of_rows("balanced", CLASSES, np.array([0]))
    for work in (
        lambda: of_rows({"a": 1.0}, None, np.zeros(1)),
        lambda: require_classes("balanced", has_classes=False),
    ):
        with pytest.raises(TrainingError, match="the target is a number") as caught:
            work()
        assert caught.value.code == "plan.training"


def test_edges_together_step_as_one_place_would() -> None:
    """Whatever classes each of them has: the mean of their steps by example counts is the step on all rows."""
    step = Training(epochs=1, batch_size=1000, learning_rate=0.5)
    case = Case(FRAMEWORKS["torch"], NETWORK, step, classes=3, guided=True)
    inputs = np.random.default_rng(2).normal(size=(len(SKEWED), 5))
    weights = balanced({label: int((code == SKEWED).sum()) for code, label in enumerate(CLASSES)})

    def learn(rows: np.ndarray) -> Parameters:
        counted = of_rows(weights, CLASSES, SKEWED[rows])
        return case.learn(case.model().initial(0), rows=Rows(inputs[rows], SKEWED[rows], counted))

    # One has a single class, one the other two, and one all.
    parts = [np.flatnonzero(SKEWED == 0)[:20], np.flatnonzero(SKEWED != 0)[:15]]
    parts.append(np.setdiff1d(np.arange(len(SKEWED)), np.concatenate(parts)))
    whole, updates = learn(np.arange(len(SKEWED))), [learn(part) for part in parts]
    for name, each in whole.items():
        mean = sum(len(part) * update[name] for part, update in zip(parts, updates, strict=True)) / len(SKEWED)
        np.testing.assert_allclose(mean, each, rtol=1e-5, atol=1e-7)
