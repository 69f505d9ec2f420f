"""The plan's callbacks: which scores there will be, and rates that are multiplied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training import scores
from training.callbacks import HIGHER, Callbacks
from training.errors import TrainingError
from training.frameworks.steps import scheduled
from training.plan import Training
from training.scores import ClassPrediction, Where

CLASSES, NUMBERS = HIGHER
WHERE = Where("validation", "received")


def test_every_metric_that_workers_compute_has_a_direction() -> None:
    truth = np.array([0, 1, 1])
    classified = scores.classification(truth, ClassPrediction(truth), 2, WHERE)
    assert {score.name for score in classified} == HIGHER[CLASSES].keys()
    numbers = scores.regression(truth.astype(float), truth.astype(float), WHERE)
    assert {score.name for score in numbers} == HIGHER[NUMBERS].keys()


@pytest.mark.parametrize("category", [CLASSES, NUMBERS])
def test_the_directions_are_true(category: str) -> None:
    truth, worse = np.array([0.0, 1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    found = []
    for values in (truth, worse):
        if category == NUMBERS:
            found.append(scores.regression(truth, values, WHERE))
            continue
        sure = np.stack([0.9 - 0.8 * values, 0.1 + 0.8 * values], axis=1)
        found.append(scores.classification(truth.astype(int), ClassPrediction(values.astype(int), sure), 2, WHERE))
    for good, bad in zip(*found, strict=True):
        assert good.value is not None
        assert bad.value is not None
        assert (good.value > bad.value) is HIGHER[category][good.name], good.name


RATES: list[Any] = [
    0.3,
    {"schedule": "constant", "rate": 0.3},
    {"schedule": "exponential", "rate": 0.3, "factor": 0.5, "over": 3},
    {"schedule": "step", "rate": 0.3, "factor": 0.5, "every": 2},
    {"schedule": "polynomial", "rate": 0.3, "over": 5, "end": 0.01, "power": 2},
    {"schedule": "inverse_time", "rate": 0.3, "decay": 2, "over": 4},
    {"schedule": "cosine", "rate": 0.3, "over": 4, "end": 0.01},
    {"schedule": "cosine_restarts", "rate": 0.3, "over": 2, "end": 0.01, "growth": 2},
]


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: rate["schedule"] if isinstance(rate, dict) else "number")
def test_a_rate_is_slowed_at_every_moment(rate: Any) -> None:
    plain = Training.model_validate({"learning_rate": rate, "epochs": 2})
    slow = plain.slowed(0.25)
    if isinstance(rate, float):
        assert slow.learning_rate == rate / 4
    else:
        for cycle in (1, 2, 5):
            for share in (0.0, 0.4):
                before, now = (scheduled(each, cycle, 1, share) for each in (plain, slow))
                assert before is not None
                assert now == pytest.approx(before / 4, rel=1e-12)
    assert Training.model_validate_json(slow.canonical) == slow
    assert plain.slowed(1.0) == plain


def test_a_rate_that_is_not_there_cannot_be_slowed() -> None:
    assert Training().slowed(1.0) == Training()
    with pytest.raises(TrainingError) as caught:
        Training().slowed(0.5)
    assert caught.value.code == "plan.callbacks"


@pytest.mark.parametrize("category", [CLASSES, NUMBERS])
def test_what_the_plan_will_have_can_be_watched(category: str) -> None:
    training = Training(validation_split=0.2, learning_rate=0.1)
    for metric, higher in HIGHER[category].items():
        mode = "max" if higher else "min"
        for said in ({"monitor": f"validation.{metric}"}, {"monitor": f"validation.{metric}", "mode": mode}):
            best = {"keep": "best", **said}
            asked = {"early_stopping": said, "reduce_on_plateau": said, "checkpoint": best}
            Callbacks.model_validate(asked).check(category, training)
