"""Learning rates over time against PyTorch's schedulers and by hand, and what a plan may say about them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from training.errors import TrainingError
from training.frameworks import torch as plugin
from training.frameworks.steps import scheduled
from training.plan import Plan, Training
from training.registry import Guidance, Problem, Rows
from training.schedules import tabulated

EPOCHS = 25


def rates(**said: Any) -> list[float]:
    """Of a plan's schedule, at the beginning of each of 25 epochs: 5 cycles of 5."""
    training = Training.model_validate({"epochs": 5, "learning_rate": said})
    found = [scheduled(training, 1 + epoch // 5, epoch % 5, 0.0) for epoch in range(EPOCHS)]
    assert all(isinstance(each, float) for each in found)
    return found  # type: ignore[return-value]


def theirs(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]) -> list[float]:
    """Of a scheduler of PyTorch."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler, found = make(optimizer), []
    for _ in range(EPOCHS):
        found.append(float(optimizer.param_groups[0]["lr"]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step()
    return found


@pytest.mark.parametrize(
    ("said", "make"),
    [
        ({"schedule": "exponential", "factor": 0.8**4, "over": 4}, lambda o: lr_scheduler.ExponentialLR(o, 0.8)),
        ({"schedule": "step", "factor": 0.3, "every": 7}, lambda o: lr_scheduler.StepLR(o, 7, 0.3)),
        (
            {"schedule": "polynomial", "over": 18, "end": 1e-30, "power": 2},
            lambda o: lr_scheduler.PolynomialLR(o, 18, 2.0),
        ),
        (
            {"schedule": "cosine_restarts", "over": 4, "end": 0.01},
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4, 1, 0.01),
        ),
        (
            {"schedule": "cosine_restarts", "over": 3, "end": 0.01, "growth": 2},
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
        ),
    ],
)
def test_they_are_those_of_pytorch(said: dict[str, Any], make: Any) -> None:
    assert rates(rate=0.1, **said) == pytest.approx(theirs(make), rel=1e-9, abs=1e-15)


def test_a_function_of_ones_own_is_a_table() -> None:
    function = lambda epoch: 0.1 * 0.9 ** (epoch // 3)  # noqa: E731 - as somebody would write it
    said = tabulated(function, EPOCHS)
    assert (said["schedule"], said["after"][:2]) == ("piecewise", [3, 6])
    expected = theirs(lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9 ** (epoch // 3)))
    assert rates(**said) == pytest.approx(expected, rel=1e-12)
    assert rates(**tabulated(function, 7))[6:] == pytest.approx([function(6)] * (EPOCHS - 6))
    assert tabulated(lambda _: 0.5, EPOCHS) == {"schedule": "constant", "rate": 0.5}
    with pytest.raises(ValueError, match="expected 1 to 1000 epochs, found 0"):
        tabulated(function, 0)


def test_a_table_changes_when_it_says() -> None:
    said = {"schedule": "piecewise", "rate": 0.1, "after": [2, 2.5, 20], "rates": [0.05, 0.2, 0.01]}
    training = Training.model_validate({"epochs": 1, "learning_rate": said})
    found = [
        scheduled(training, cycle, 0, share) for cycle, share in ((1, 0.9), (3, 0.0), (3, 0.49), (3, 0.5), (21, 0))
    ]
    assert found == [0.1, 0.05, 0.05, 0.2, 0.01]


def test_a_cosine_ends_and_stays_there() -> None:
    found = rates(schedule="cosine", rate=0.1, over=20, end=0.01)
    assert found[:21] == pytest.approx(theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, 20, 0.01))[:21], rel=1e-9)
    assert found[20:] == pytest.approx([0.01] * 5)


def test_by_hand() -> None:
    assert rates(schedule="constant", rate=0.1) == [0.1] * EPOCHS
    inverse = rates(schedule="inverse_time", rate=0.1, decay=2, over=10)
    assert [inverse[0], inverse[10], inverse[20]] == pytest.approx([0.1, 0.1 / 3, 0.02])
    training = Training.model_validate(
        {"learning_rate": {"schedule": "exponential", "rate": 1, "factor": 0.25, "over": 1}}
    )
    assert scheduled(training, 1, 0, 0.5) == pytest.approx(0.5), "within an epoch too"
    assert scheduled(Training(learning_rate=0.1), 3, 0, 0.0) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("-1", "training.learning_rate: input should be greater than 0, found -1"),
        ("much", "training.learning_rate: input should be a valid number"),
        ("{schedule: cosin, rate: 0.1}", "the schedule 'cosin' is not known; did you mean 'cosine'"),
        ("{rate: 0.1}", "training.learning_rate: expected a number, or schedule: and one of constant, exponential"),
        ("{schedule: cosine, rate: 0.1, over: 5}", "training.learning_rate.cosine.end is missing"),
        (
            "{schedule: step, rate: 0.1, evry: 5, factor: 0.1, every: 2}",
            "training.learning_rate.step.evry is not a field; did you mean 'every'",
        ),
        (
            "{schedule: piecewise, rate: 1, after: [2, 3], rates: [1]}",
            "piecewise: expected a rate for each time: 1 for 2",
        ),
        ("{schedule: piecewise, rate: 1, after: [3, 3], rates: [1, 2]}", "expected the times of after ascending"),
        ("{schedule: piecewise, rate: 1, after: [3], rates: [0]}", "piecewise.rates.0: input should be greater than 0"),
        ("{schedule: exponential, rate: 0.1, factor: 3, over: 2}", "exponential.factor: input should be less than"),
    ],
)
def test_what_is_wrong_in_a_plan_is_named(tmp_path: Path, said: str, words: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(f"name: x\nmodel: m.py\ndata: {{dataset: d}}\ncycles: 1\ntraining: {{learning_rate: {said}}}\n")
    with pytest.raises(TrainingError) as caught:
        Plan.load(path)
    assert words in caught.value.message


def test_the_mean_rate_of_the_steps_is_told() -> None:
    """What SCAFFOLD divides by is how far all steps lead together."""
    rows = Rows(np.zeros((20, 4)), np.zeros(20))
    model = plugin.tabular(torch.nn.Linear(4, 1), Problem(4, None))
    said = {"schedule": "exponential", "rate": 1, "factor": 0.25, "over": 1}
    training = Training.model_validate({"epochs": 2, "batch_size": 10, "learning_rate": said})
    done = model.guided(model.initial(0), rows, training, Guidance(), seed=0, cycle=1, report=lambda *_: None)
    assert done.steps == 4
    assert done.step_size == pytest.approx((1 + 0.5 + 0.25 + 0.125) / 4)


def test_it_travels_with_the_plan() -> None:
    said = Training.model_validate({"learning_rate": {"schedule": "step", "rate": 0.1, "factor": 0.5, "every": 3}})
    assert Training.model_validate_json(said.canonical) == said
    assert Training(learning_rate=0.1).canonical == Training.model_validate({"learning_rate": 0.1}).canonical
