"""What is special about PyTorch: what a module may be, what it keeps, and how what is wrong is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from training.categories.tabular import reductions_of
from training.contract.loading import make
from training.errors import TrainingError
from training.frameworks import torch as plugin
from training.plan import Training
from training.registry import Guidance, Parameters, Problem, Rows
from training.weights import KEEP, MEAN, STATISTIC

PROBLEM = Problem(4, 3)
RANDOM = np.random.default_rng(0)
ROWS = Rows(RANDOM.normal(size=(33, 4)), RANDOM.integers(0, 3, 33))
STEPS = Training(learning_rate=0.05, batch_size=8)


def learn(module: Any, training: Training = STEPS, problem: Problem = PROBLEM, rows: Rows = ROWS) -> Parameters:
    plugin.begin(1)
    model = plugin.tabular(module, problem)
    return model.trained(model.initial(1), rows, training, seed=1, cycle=1, report=lambda *_: None)


class Odd(nn.Module):
    """Some of everything that a module can keep."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.frozen = nn.Linear(8, 8)
        self.frozen.requires_grad_(requires_grad=False)
        self.head = nn.Linear(8, 3)
        self.unused = nn.Parameter(torch.ones(2))
        self.register_buffer("mask", torch.tensor([True, False]))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.frozen(self.body(rows)))
        return found


def test_what_is_counted_or_fixed_is_no_direction_to_go() -> None:
    model = plugin.tabular(Odd(), PROBLEM)
    reductions = reductions_of(model, model.initial(0), MEAN)
    assert {name for name, each in reductions.items() if each == STATISTIC} == {
        *("body.1.running_mean", "body.1.running_var", "frozen.weight", "frozen.bias")
    }
    assert reductions["mask"] == KEEP
    assert reductions["body.1.num_batches_tracked"] == MEAN, "a whole number, which no strategy learns"
    module = Odd()
    before, after = module.state_dict()["frozen.weight"].numpy().copy(), learn(module)
    assert after["body.1.num_batches_tracked"] == 4, "33 rows by 8: the last one joined the batch before"
    assert np.array_equal(after["frozen.weight"], before)
    assert np.array_equal(after["unused"], [1, 1])


def test_what_a_strategy_adds_moves_even_what_the_loss_does_not_know() -> None:
    plugin.begin(1)
    model = plugin.tabular(Odd(), PROBLEM)
    guidance = Guidance(correction={"unused": np.array([1.0, -1.0])})
    done = model.guided(model.initial(0), ROWS, STEPS, guidance, seed=1, cycle=1, report=lambda *_: None)
    assert (done.steps, done.step_size) == (4, 0.05)
    np.testing.assert_allclose(done.parameters["unused"], [0.8, 1.2], rtol=1e-6)


def test_a_tensor_with_two_names_is_learnt_under_both() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
            self.two.weight = self.one.weight

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.head(self.two(self.one(rows)))

    assert {"one.weight", "two.weight"} <= plugin.tabular(Tied(), PROBLEM).learnt
    after = learn(Tied())
    assert np.array_equal(after["one.weight"], after["two.weight"])


def test_a_lazy_layer_finds_its_width_and_counts_nothing() -> None:
    after = learn(nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.Linear(8, 3)))
    assert after["0.weight"].shape == (8, 4)
    assert after["1.num_batches_tracked"] == 4


def test_the_model_file_may_ask_for_widths() -> None:
    offered = {"features": 4, "outputs": 3}
    assert make(lambda features, outputs: (features, outputs), offered) == (4, 3)
    assert make(lambda outputs, hidden=8: (outputs, hidden), offered) == (3, 8)
    assert make(dict, offered) == {}
    assert Problem(4, None).outputs == 1
    with pytest.raises(TrainingError, match="hidden"):
        make(lambda features, hidden: (features, hidden), offered)


NUMBERS = Problem(4, None)


@pytest.mark.parametrize(
    ("module", "training", "problem", "code", "words"),
    [
        (nn.Linear(4, 2), STEPS, PROBLEM, "model.output", r"float32\[8, 2\] for 8 rows.*\[8, 3\]"),
        (nn.Linear(4, 3), STEPS, NUMBERS, "model.output", r"\[8\] or \[8, 1\]"),
        (nn.LSTM(4, 3), STEPS, PROBLEM, "model.output", "gives tuple"),
        (nn.Linear(5, 3), STEPS, PROBLEM, "model.training", "PyTorch refuses.*shapes cannot be multiplied"),
        (nn.ReLU(), STEPS, PROBLEM, "model.estimator", "no parameter that can be learnt"),
        (nn.Linear(4, 3).bfloat16(), STEPS, PROBLEM, "model.estimator", "bfloat16"),
        (nn.Linear, STEPS, PROBLEM, "model.estimator", "expected a torch.nn.Module"),
        (nn.Linear(4, 3), STEPS.model_copy(update={"loss": "mse"}), PROBLEM, "plan.training", "is classes"),
        (nn.Linear(4, 1), STEPS.model_copy(update={"loss": "cross_entropy"}), NUMBERS, "plan.training", "is a number"),
        (
            nn.Linear(4, 3),
            STEPS.model_copy(update={"optimizer": "adam", "momentum": 0.9}),
            PROBLEM,
            "plan.training",
            "adam has no momentum; those that have: rmsprop, sgd",
        ),
        (
            nn.Linear(4, 1),
            STEPS.model_copy(update={"learning_rate": 1e6}),
            NUMBERS,
            "weights.finite",
            "'model.weight'",
        ),
    ],
)
def test_what_is_wrong_is_named(module: Any, training: Training, problem: Problem, code: str, words: str) -> None:
    with pytest.raises(TrainingError, match=words) as caught:
        learn(module, training.model_copy(update={"epochs": 30}), problem)
    assert caught.value.code == code


@pytest.mark.parametrize("optimizer", ["adadelta", "adagrad", "adam", "adamax", "adamw", "nadam", "radam", "rmsprop"])
def test_every_optimizer_that_a_plan_may_name(optimizer: str) -> None:
    def linear() -> nn.Module:
        torch.manual_seed(0)
        return nn.Linear(4, 3)

    one = learn(linear(), STEPS.model_copy(update={"optimizer": optimizer}))
    assert not np.array_equal(one["weight"], learn(linear(), STEPS)["weight"])
    assert (
        one["weight"].tobytes()
        == learn(linear(), STEPS.model_copy(update={"optimizer": optimizer}))["weight"].tobytes()
    )


def test_memory_that_is_not_there_is_no_fault_of_the_model() -> None:
    class Large(nn.Linear):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.empty(2**50) + super().forward(rows)

    with pytest.raises(TrainingError) as caught:
        learn(Large(4, 3))
    assert caught.value.code == "resource.memory"
