"""One table says what metrics there are, and everybody keeps to it."""

from __future__ import annotations

import numpy as np

from aggregator.domain.scoring import classes as of_classes
from aggregator.domain.scoring import numbers as of_numbers
from bus.events.metrics import HEADLINES, METRICS, Combined, Problem
from muster.submission.callbacks import watchable
from support.pooling import WHERE, federated
from training.scores import ClassPrediction
from training.scoring.classes import classification
from training.scoring.numbers import regression

NAMES = {
    problem: [metric.name for metric in METRICS.values() if metric.problem is problem]
    for problem in (Problem.CLASSES, Problem.NUMBERS)
}


def of_six_classes(*, full: bool = True) -> list[str]:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(6), 60)
    predicted = ClassPrediction(probabilities.argmax(axis=1), probabilities)
    return [score.name for score in classification(np.arange(60) % 6, predicted, 6, WHERE, full=full).scores]


def test_what_edges_tell_is_in_the_table_and_in_its_order() -> None:
    assert of_six_classes() == NAMES[Problem.CLASSES]
    numbers = regression(np.arange(4.0), np.ones(4), WHERE)
    assert [score.name for score in numbers.scores] == NAMES[Problem.NUMBERS]


def test_so_is_what_training_cycles_tell_and_callbacks_may_watch() -> None:
    short = regression(np.arange(4.0), np.ones(4), WHERE, full=False)
    assert [score.name for score in short.scores] == list(watchable("tabular_regression"))
    assert of_six_classes(full=False) == list(watchable("tabular_classification"))


def test_every_metric_has_a_formula_for_all_rows() -> None:
    assert set(of_classes.FORMULAS) == set(NAMES[Problem.CLASSES])
    assert set(of_numbers.FORMULAS) == set(NAMES[Problem.NUMBERS])


def test_the_table_says_rightly_what_is_exact() -> None:
    random = np.random.default_rng(0)
    numbers = [regression(random.normal(9.0, 1.0, 300), random.normal(9.0, 1.0, 300), WHERE) for _ in range(3)]
    odds = random.normal(size=(300, 6))
    probabilities = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    predicted = ClassPrediction(probabilities.argmax(axis=1), probabilities)
    classes = [classification(random.integers(0, 6, 300), predicted, 6, WHERE) for _ in range(3)]
    for score in (*federated(numbers).values(), *federated(classes).values()):
        assert (score.within is not None) == (METRICS[score.name].combined is Combined.BOUNDED), score.name


def test_values_are_within_the_range_that_the_table_says() -> None:
    """Of the worst model that there is, and of the best."""
    truth = np.arange(60) % 6
    for codes in (truth, (truth + 1) % 6):
        probabilities = np.eye(6)[codes]
        for score in classification(truth, ClassPrediction(codes, probabilities), 6, WHERE).scores:
            metric = METRICS[score.name]
            assert score.value is not None
            assert metric.least is None or score.value >= metric.least - 1e-12, score
            assert metric.most is None or score.value <= metric.most + 1e-12, score


def test_what_is_shown_first_is_in_the_table() -> None:
    assert set(HEADLINES) <= set(METRICS)
    assert {METRICS[name].problem for name in HEADLINES} == set(Problem)
