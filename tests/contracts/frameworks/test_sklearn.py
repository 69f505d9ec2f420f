"""scikit-learn under the behaviour suite of frameworks."""

from __future__ import annotations

import pytest

from support.frameworks import FRAMEWORKS, identified
from training.plan import Training
from training.testing import WORKER_CHECKS, Case, Check, pairs

STEPS = Training(epochs=8, learning_rate=0.05, batch_size=8)


def case(made: str, classes: int | None, training: Training) -> Case:
    category = "tabular_regression" if classes is None else "tabular_classification"
    source = f"""
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

framework = "sklearn"
category = "{category}"
main_method = "build"

def build():
    return {made}
"""
    return Case(FRAMEWORKS["sklearn"], source, training, classes)


CASES = {
    "logistic": case("LogisticRegression()", 3, Training(epochs=3)),
    "SGD": case('SGDClassifier(loss="log_loss")', 2, Training(epochs=3)),
    "SGD, numbers": case("SGDRegressor()", None, Training(epochs=3)),
    "layers": case("MLPClassifier((8,))", 3, STEPS),
    "layers, numbers": case("MLPRegressor(hidden_layer_sizes=(8,))", None, STEPS),
}


@pytest.mark.parametrize(("of", "check"), identified(pairs(CASES), CASES))
def test_it_keeps_what_a_framework_has_to(of: Case, check: Check) -> None:
    check(of)


@pytest.mark.parametrize("check", WORKER_CHECKS)
def test_in_workers(check: Check) -> None:
    check(CASES["layers"])
    check(CASES["SGD, numbers"])
