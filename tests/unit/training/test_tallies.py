"""What a worker says beside its metrics leaves only if it adds up: anybody's code may have written it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import TrainingError
from training.scores import ClassPrediction, Scored, Where
from training.scoring.bins import bins_for, by_decision, by_probability, counted, sizes
from training.scoring.classes import classification
from training.scoring.numbers import regression
from training.worker.config import METRICS, Task
from training.worker.output import Output
from training.worker.result import Result, read_result

WHERE = Where("test", "received")
ROWS = 40
Change = Callable[[dict[str, Any]], object]


def of_classes(classes: int = 3) -> Scored:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(classes), ROWS)
    truth = random.integers(0, classes, ROWS)
    return classification(truth, ClassPrediction(probabilities.argmax(axis=1), probabilities), classes, WHERE)


def of_numbers() -> Scored:
    random = np.random.default_rng(0)
    return regression(random.normal(5.0, 1.0, ROWS), random.normal(5.0, 1.0, ROWS), WHERE)


def read(folder: Path, scored: Scored, classes: int | None, change: Change | None = None) -> Result:
    """What is made of it, once ``change`` was done to what the worker wrote."""
    Output(folder).metrics(ROWS, [scored])
    content = json.loads((folder / METRICS).read_text())
    if change is not None:
        change(content)
        (folder / METRICS).write_text(json.dumps(content))
    return read_result(folder, Task.EVALUATE, reference=None, rows=ROWS, max_bytes=10**6, classes=classes)


@pytest.mark.parametrize(("scored", "classes"), [(of_classes(), 3), (of_classes(6), 6), (of_numbers(), None)])
def test_what_an_honest_worker_wrote_is_read_as_it_was(tmp_path: Path, scored: Scored, classes: int | None) -> None:
    assert read(tmp_path, scored, classes).tallies == (scored.tally,)


def put(value: object, *path: str | int) -> Change:
    """Writes ``value`` at ``path`` below the tally."""

    def change(content: dict[str, Any]) -> None:
        place: Any = content["tallies"][0]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def twice(content: dict[str, Any]) -> None:
    content["tallies"] *= 2


FORGED_CLASSES: dict[str, Change] = {
    "negative rows": put(-1, "classes", "actual", 0),
    "rows that there are not": put(10**6, "classes", "actual", 0),
    "more than all numbers": put(10**400, "classes", "hits", 0),
    "a fraction of a row": put(1.5, "classes", "hits", 0),
    "rows as text": put("7", "classes", "hits", 0),
    "a class too few": put([20, 20], "classes", "actual"),
    "other classes": put([10, 10, 10, 10], "classes", "actual"),
    "too many classes": put([0] * 2000, "classes", "actual"),
    "everything right": put([40, 0, 0], "classes", "hits"),
    "distances without a mistake": put(0, "classes", "squared_distance"),
    "another matrix": put([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "classes", "confusion"),
    "a matrix with a hole": put([[1, 0], [0, 1, 0], [0, 0, 1]], "classes", "confusion"),
    "a huge matrix": put([[0] * 200] * 200, "classes", "confusion"),
    "a loss below 0": put(-1.0, "classes", "log_loss"),
    "an infinite loss": put(float("inf"), "classes", "log_loss"),
    "a loss that is no number": put(float("nan"), "classes", "log_loss"),
    "a Brier score above 2": put(81.0, "classes", "brier"),
    "no rankings of some class": put([], "classes", "rankings"),
    "a ranking of other rows": put({"places": [1], "counts": [1]}, "classes", "rankings", 0, "positives"),
    "bins without order": put({"places": [2, 1], "counts": [1, 1]}, "classes", "rankings", 0, "positives"),
    "an empty bin": put({"places": [1], "counts": [0]}, "classes", "rankings", 0, "positives"),
    "more counts than bins": put({"places": [], "counts": [1]}, "classes", "rankings", 0, "positives"),
    "too many bins": put({"places": list(range(5000)), "counts": [1] * 5000}, "classes", "rankings", 0, "positives"),
    "a field of its own": put("rows", "classes", "payload"),
    "neither classes nor numbers": put(None, "classes"),
    "another set of rows": put("train", "split"),
    "a split in prose": put("the whole file " * 20, "split"),
    "other rows than the metrics": put(39, "count"),
    "no rows": put(0, "count"),
    "the same rows twice": twice,
    "no tally at all": lambda content: content.update(tallies=[7]),
}


@pytest.mark.parametrize("what", FORGED_CLASSES)
def test_counts_of_classes_that_cannot_be(tmp_path: Path, what: str) -> None:
    with pytest.raises(TrainingError) as caught:
        read(tmp_path, of_classes(), 3, FORGED_CLASSES[what])
    assert caught.value.code == "metrics.tally", caught.value.message


FORGED_NUMBERS: dict[str, Change] = {
    "squares below 0": put(-1.0, "numbers", "truth", "squares"),
    "a sum without squares": put(1e300, "numbers", "truth", "total"),
    "an infinite centre": put(float("inf"), "numbers", "truth", "centre"),
    "errors below 0": put(-1.0, "numbers", "absolute"),
    "a larger error than all": put(1e6, "numbers", "largest"),
    "no error in spite of errors": put(0.0, "numbers", "largest"),
    "a symmetric error above 2": put(81.0, "numbers", "symmetric"),
    "a logarithm below 0": put(-0.1, "numbers", "logarithms"),
    "errors of other rows": put({"places": [1], "counts": [1]}, "numbers", "sizes"),
    "a bin beyond all": put({"places": [10**9], "counts": [40]}, "numbers", "sizes"),
}


@pytest.mark.parametrize("what", FORGED_NUMBERS)
def test_sums_of_numbers_that_cannot_be(tmp_path: Path, what: str) -> None:
    with pytest.raises(TrainingError) as caught:
        read(tmp_path, of_numbers(), None, FORGED_NUMBERS[what])
    assert caught.value.code == "metrics.tally", caught.value.message


@pytest.mark.parametrize(("scored", "classes"), [(of_classes(), None), (of_classes(), 4), (of_numbers(), 2)])
def test_a_tally_of_another_problem(tmp_path: Path, scored: Scored, classes: int | None) -> None:
    with pytest.raises(TrainingError, match="it is not about"):
        read(tmp_path, scored, classes)


def test_many_tallies_are_no_metrics(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        read(tmp_path, of_classes(), 3, lambda content: content.update(tallies=content["tallies"] * 9))
    assert caught.value.code == "metrics.format"


def test_predictions_that_are_no_numbers_give_no_metrics() -> None:
    scored = regression(np.ones(3), np.array([1.0, np.nan, 1.0]), WHERE)
    assert {score.reason for score in scored.scores} == {"the model predicts what is no finite number"}
    assert scored.tally is None


def test_numbers_that_are_too_large_to_be_summed_up_give_no_tally() -> None:
    scored = regression(np.array([1e200, -1e200]), np.zeros(2), WHERE)
    assert scored.tally is None
    assert {s.name: s.value for s in scored.scores}["max_error"] == 1e200


def test_probabilities_that_are_none_give_no_loss() -> None:
    scored = classification(
        np.array([0, 1]), ClassPrediction(np.array([0, 1]), np.array([[1.0, 0.0], [np.nan, 1.0]])), 2, WHERE
    )
    reasons = {score.name: score.reason for score in scored.scores}
    assert reasons["log_loss"] == reasons["roc_auc"] == "what the model gives as probabilities are none"
    assert reasons["accuracy"] is None


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=50), st.sampled_from([2, 3, 7, 32]))
@settings(deadline=None)
def test_bins_of_probabilities_are_in_their_order(values: list[float], classes: int) -> None:
    bins = bins_for(classes)
    assert bins is not None
    places = by_probability(np.sort(values), bins)
    assert (np.diff(places) >= 0).all()
    assert 0 <= places.min() <= places.max() < bins
    upper = np.sort(values) >= 0.5
    np.testing.assert_array_equal(places >= bins // 2, upper)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=50))
@settings(deadline=None)
def test_bins_of_decision_values_are_in_their_order(values: list[float]) -> None:
    places = by_decision(np.sort(values), 2048)
    assert (np.diff(places) >= 0).all()
    assert 0 <= places.min() <= places.max() < 2048


@pytest.mark.parametrize(("classes", "bins"), [(2, 2048), (3, 512), (4, 512), (5, 256), (32, 64), (33, None)])
def test_more_classes_have_fewer_bins(classes: int, bins: int | None) -> None:
    assert bins_for(classes) == bins


def test_errors_that_spread_too_far_are_not_counted() -> None:
    spread = 2.0 ** np.arange(-512, 512)
    assert sizes(np.concatenate([spread * (1 + part / 8) for part in range(8)])) is None
    found = sizes(np.array([0.0, 0.0, 1.0]))
    assert found is not None
    assert found.counts == (2, 1)
    assert counted(np.array([3, 1, 3])).places == (1, 3)
