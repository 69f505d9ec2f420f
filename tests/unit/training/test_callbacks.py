"""The plan's callbacks: which scores there will be, and rates that are multiplied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from muster.submission.callbacks import watchable
from training.callbacks import Callbacks
from training.errors import TrainingError
from training.frameworks.steps import scheduled
from training.plan import Training
from training.scores import ClassPrediction, Score, Where
from training.scoring.classes import classification
from training.scoring.numbers import regression

CLASSES, NUMBERS = "tabular_classification", "tabular_regression"
WHERE = Where("validation", "received")


def told(category: str, truth: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[Score, ...]:
    """What a training cycle tells of predictions; classes are predicted with 0.9 for the likelier one."""
    if category == NUMBERS:
        return regression(truth, values, WHERE, full=False).scores
    sure = np.stack([0.9 - 0.8 * values, 0.1 + 0.8 * values], axis=1)
    predicted = ClassPrediction(values.astype(int), sure)
    return classification(truth.astype(int), predicted, 2, WHERE, full=False).scores


@pytest.mark.parametrize("category", [CLASSES, NUMBERS])
def test_what_can_be_watched_is_what_training_cycles_tell_and_its_direction_is_true(category: str) -> None:
    truth, worse = np.array([0.0, 1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    found = [told(category, truth, values) for values in (truth, worse)]
    higher = watchable(category)
    assert {score.name for score in found[0]} == higher.keys()
    for good, bad in zip(*found, strict=True):
        assert good.value is not None
        assert bad.value is not None
        assert (good.value > bad.value) is higher[good.name], good.name


RATES: list[Any] = [
    0.3,
    {"schedule": "constant", "rate": 0.3},
    {"schedule": "exponential", "rate": 0.3, "factor": 0.5, "over": 3},
    {"schedule": "step", "rate": 0.3, "factor": 0.5, "every": 2},
    {"schedule": "polynomial", "rate": 0.3, "over": 5, "end": 0.01, "power": 2},
    {"schedule": "inverse_time", "rate": 0.3, "decay": 2, "over": 4},
    {"schedule": "cosine", "rate": 0.3, "over": 4, "end": 0.01},
    {"schedule": "cosine_restarts", "rate": 0.3, "over": 2, "end": 0.01, "growth": 2},
    {"schedule": "piecewise", "rate": 0.3, "after": [1, 4], "rates": [0.1, 0.7]},
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
    for metric, higher in watchable(category).items():
        mode = "max" if higher else "min"
        for said in ({"monitor": f"validation.{metric}"}, {"monitor": f"validation.{metric}", "mode": mode}):
            best = {"keep": "best", **said}
            asked = {"early_stopping": said, "reduce_on_plateau": said, "checkpoint": best}
            Callbacks.model_validate(asked).check(category, training, watchable(category))
