"""What the aggregator makes of the edges' tallies is what scikit-learn makes of all rows in one place."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from aggregator.domain.scores import APPROXIMATE, BOUNDED, POOLED, combine
from bus.events.base import PrincipalId
from bus.events.weights import Score
from support.pooling import WHERE, Scoring, confusion, edges_of, federated, said
from training.scores import ClassPrediction, Scored
from training.scoring.classes import classification
from training.scoring.numbers import regression

BINNED = {"roc_auc", "pr_auc", "gini", "normalised_gini", "medae"}
SEEDS = st.integers(0, 2**32 - 1)
HUNDRED = settings(max_examples=60, deadline=None)
A = PrincipalId("edge-0")


def of_classes(seed: int, rows: int, classes: int, present: int, sharp: float, digits: int = 17) -> Scoring:
    """Rows of the first ``present`` of ``classes`` classes, and a model that is right the more often the sharper.

    Probabilities are rounded to ``digits``, so that with few of them many are equal.
    """
    random = np.random.default_rng(seed)
    truth = random.integers(0, min(present, classes), rows)
    odds = random.normal(0.0, 1.0 + sharp, (rows, classes))
    odds[np.arange(rows), truth] += sharp
    raised = np.exp(odds - odds.max(axis=1, keepdims=True))
    probabilities = np.round(raised / raised.sum(axis=1, keepdims=True), digits) + 10.0**-digits
    return scoring(truth, ClassPrediction(probabilities.argmax(axis=1), probabilities), classes)


def scoring(truth: NDArray[np.int64], predicted: ClassPrediction, classes: int, *, full: bool = True) -> Scoring:
    """What is said of some of the rows."""

    def score(rows: NDArray[np.intp]) -> Scored:
        parts = (None if part is None else part[rows] for part in (predicted.probabilities, predicted.decisions))
        own = ClassPrediction(predicted.codes[rows], *parts)
        return classification(truth[rows], own, classes, WHERE, full=full)

    return score


def compare(score: Scoring, rows: int, seed: int, edges: int) -> None:
    """Exact metrics are the same to rounding, bounded ones within their bound, and missing ones missing."""
    whole = score(np.arange(rows))
    found = federated([score(own) for own in edges_of(rows, seed, edges)])
    assert set(found) == {each.name for each in whole.scores}
    for each in whole.scores:
        own = found[each.name]
        assert own.count == each.count
        if each.value is None or own.value is None:
            assert (own.value, each.value) == (None, None), (own, each)
            assert own.reason
        elif own.within is None:
            assert own.method == POOLED
            assert own.value == pytest.approx(each.value, rel=1e-9, abs=1e-9), each.name
        else:
            assert own.method == BOUNDED
            assert own.name in BINNED
            assert abs(own.value - each.value) <= own.within + 1e-12, (own, each)


@given(
    SEEDS,
    st.integers(1, 80),
    st.integers(2, 9),
    st.integers(1, 9),
    st.floats(0.0, 20.0),
    st.sampled_from([1, 2, 17]),
    st.integers(1, 5),
)
@example(seed=0, rows=1, classes=2, present=1, sharp=0.0, digits=17, edges=5)
@example(seed=0, rows=300, classes=32, present=32, sharp=1.0, digits=17, edges=3)
@HUNDRED
def test_classes(seed: int, rows: int, classes: int, present: int, sharp: float, digits: int, edges: int) -> None:
    compare(of_classes(seed, rows, classes, present, sharp, digits), rows, seed, edges)


@given(SEEDS, st.integers(1, 60), st.sampled_from([1e-6, 1.0, 1e6]), st.integers(1, 4))
@HUNDRED
def test_classes_of_a_model_that_gives_decision_values_alone(seed: int, rows: int, scale: float, edges: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    decisions = np.round(random.normal(truth - 0.5, 1.0), 1) * scale
    compare(scoring(truth, ClassPrediction((decisions > 0).astype(np.int64), None, decisions), 2), rows, seed, edges)


@given(
    SEEDS,
    st.integers(1, 80),
    st.sampled_from([0.0, 1.0, 1e6]),
    st.sampled_from([0.0, 0.5, -300.0, 1e6]),
    st.booleans(),
    st.integers(1, 5),
)
@HUNDRED
def test_numbers(seed: int, rows: int, scale: float, centre: float, whole: bool, edges: int) -> None:
    random = np.random.default_rng(seed)
    truth = centre + random.normal(0.0, scale, rows)
    predicted = truth + random.normal(0.3, 2.0, rows)
    if whole:
        truth, predicted = np.round(truth), np.round(predicted)
    compare(lambda own: regression(truth[own], predicted[own], WHERE), rows, seed, edges)


def test_large_numbers_that_differ_little_lose_nothing() -> None:
    """scikit-learn takes differences to a mean that is rounded; exact fractions tell what it would be otherwise."""
    random = np.random.default_rng(0)
    truth = 1e9 + random.normal(0.0, 1e-3, 20)
    predicted = truth + random.normal(0.0, 1e-4, 20)
    exact = [Fraction(value) for value in truth]
    mean = sum(exact) / 20
    errors = sum((Fraction(value) - own) ** 2 for value, own in zip(predicted, exact, strict=True))
    reference = float(1 - errors / sum((own - mean) ** 2 for own in exact))
    parts = [regression(truth[own], predicted[own], WHERE) for own in edges_of(20, 0, 3)]
    assert federated(parts)["r2"].value == pytest.approx(reference, rel=1e-12)


def test_the_order_of_edges_changes_no_bit() -> None:
    random = np.random.default_rng(1)
    truth, predicted = random.normal(0.1, 3.0, 50), random.normal(0.1, 3.0, 50)
    parts = [regression(truth[own], predicted[own], WHERE) for own in edges_of(50, 1, 4)]
    found = {tuple(sorted((n, s.value) for n, s in federated(list(order)).items())) for order in permutations(parts)}
    assert len(found) == 1
    score = of_classes(2, 50, 3, 3, 1.0)
    classes = [score(own) for own in edges_of(50, 2, 4)]
    found = {tuple(sorted((n, s.value) for n, s in federated(list(order)).items())) for order in permutations(classes)}
    assert len(found) == 1


@pytest.mark.parametrize(("classes", "most"), [(2, 0.001), (4, 0.005), (16, 0.02), (32, 0.05)])
def test_bounds_are_narrow_with_many_rows(classes: int, most: float) -> None:
    score = of_classes(3, 4000, classes, classes, 1.5)
    found = federated([score(own) for own in edges_of(4000, 3, 8)])
    within = found["roc_auc"].within
    assert within is not None
    assert 0 < within < most


def test_the_median_error_is_known_to_less_than_one_in_200() -> None:
    random = np.random.default_rng(4)
    errors = random.lognormal(0.0, 4.0, 3000)
    parts = [regression(np.zeros(len(own)), errors[own], WHERE) for own in edges_of(3000, 4, 5)]
    found = federated(parts)["medae"]
    assert found.value is not None
    assert found.within is not None
    assert found.within < found.value / 200


def test_the_cohorts_confusion_matrix_is_that_of_all_rows() -> None:
    random = np.random.default_rng(5)
    truth, codes = random.integers(0, 4, 90), random.integers(0, 3, 90)
    score = scoring(truth, ClassPrediction(codes), 4)
    (found,) = confusion([score(own) for own in edges_of(90, 5, 3)])
    assert (found.split, found.stage) == ("test", "received")
    np.testing.assert_array_equal(found.counts, confusion_matrix(truth, codes, labels=np.arange(4)))


def test_many_classes_send_no_matrix_and_no_ranks() -> None:
    score = of_classes(6, 900, 150, 150, 3.0)
    parts = [score(own) for own in edges_of(900, 6, 2)]
    assert confusion(parts) == ()
    found = federated(parts)
    assert found["mcc"].method == POOLED
    assert found["roc_auc"].value is None
    assert "edge-0: " in (found["roc_auc"].reason or "")


def test_a_model_without_probabilities_has_no_log_loss_anywhere() -> None:
    score = scoring(np.arange(6) % 2, ClassPrediction(np.zeros(6, np.int64)), 2)
    found = federated([score(np.arange(3)), score(np.arange(3, 6))])
    assert (
        found["log_loss"].reason == "edge-0: the model gives no probabilities; edge-1: the model gives no probabilities"
    )
    assert found["accuracy"].value == 0.5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mape", "edge-0: the target is 0 in 1 of 2 rows"),
        ("rmsle", "edge-1: the target or its prediction is -1 or less in 1 of 2 rows"),
        ("r2", "the target does not vary in these rows"),
    ],
)
def test_what_one_edge_cannot_compute_is_missing_with_its_reason(name: str, reason: str) -> None:
    truth = np.full(4, 7.1) if name == "r2" else np.array([0.0, 1.0, 2.0, -3.0])
    parts = [regression(truth[own], truth[own] + 0.5, WHERE) for own in (np.arange(2), np.arange(2, 4))]
    found = federated(parts)[name]
    assert (found.value, found.reason) == (None, reason)


def test_training_cycles_tell_less_and_it_is_as_exact() -> None:
    random = np.random.default_rng(7)
    probabilities = random.dirichlet(np.ones(3), 90)
    score = scoring(
        random.integers(0, 3, 90), ClassPrediction(probabilities.argmax(axis=1), probabilities), 3, full=False
    )
    whole = {each.name: each.value for each in score(np.arange(90)).scores}
    parts = [score(own) for own in edges_of(90, 7, 3)]
    found = federated(parts)
    assert len(found) == 7
    for name in set(whole) - {"roc_auc"}:
        assert found[name].value == pytest.approx(whole[name], rel=1e-12), name
    assert found["roc_auc"].method == APPROXIMATE
    assert confusion(parts) == ()


def test_tallies_count_only_if_every_edge_with_rows_sent_one() -> None:
    score = of_classes(8, 60, 2, 2, 1.0)
    parts = [score(own) for own in edges_of(60, 8, 3)]
    scores, tallies = said(parts)
    found = {each.name: each for each in combine(scores, {**tallies, A: []})}
    assert found["f1"].method == APPROXIMATE
    assert found["accuracy"].value == pytest.approx(federated(parts)["accuracy"].value)


@pytest.mark.parametrize(
    "change",
    [
        {"actual": (3, -3)},
        {"actual": (1,)},
        {"predicted": (0, 1)},
        {"hits": (90, 0)},
        {"confusion": ((1, 2), (3, 4))},
        {"log_loss": float("nan")},
        {"top_3": -1},
        {"rankings": ()},
    ],
)
def test_a_tally_that_does_not_add_up_is_not_used(change: dict[str, object]) -> None:
    """The edge's own word is left, which shows in how the metric was combined."""
    score = of_classes(9, 60, 2, 2, 1.0)
    scores, tallies = said([score(own) for own in edges_of(60, 9, 3)])
    (sound,) = tallies[A]
    assert sound.classes is not None
    bad = sound.model_copy(update={"classes": sound.classes.model_copy(update=change)})
    found = {each.name: each for each in combine(scores, {**tallies, A: [bad]})}
    assert found["f1"].method == APPROXIMATE


def test_a_tally_of_other_rows_than_the_metrics_is_not_used() -> None:
    score = of_classes(9, 60, 2, 2, 1.0)
    scores, tallies = said([score(own) for own in edges_of(60, 9, 3)])
    fewer = [Score(**{**each.model_dump(), "count": each.count - 1}) for each in scores[A]]
    assert {each.method for each in combine({**scores, A: fewer}, tallies)}.isdisjoint({POOLED, BOUNDED})


def test_edges_with_other_classes_are_not_added() -> None:
    two, three = of_classes(1, 30, 2, 2, 1.0), of_classes(1, 30, 3, 3, 1.0)
    found = federated([two(np.arange(30)), three(np.arange(30))])
    assert found["accuracy"].method == "mean over all rows"
