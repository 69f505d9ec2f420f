"""What patterns of a plan keep from being learnt."""

from __future__ import annotations

import pytest
from sklearn.linear_model import SGDRegressor
from torch import nn

from training.errors import TrainingError
from training.frameworks import sklearn
from training.frameworks import torch as plugin
from training.freezing import freeze
from training.guidance import controls
from training.plan import Strategy, Training
from training.registry import FreezableModel, Problem

PROBLEM = Problem(4, 3)


def network() -> FreezableModel:
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return plugin.tabular(module, PROBLEM)


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ([], {"0.weight", "0.bias", "2.weight", "2.bias"}),
        (["0.*"], {"2.weight", "2.bias"}),
        (["*.bias", "0.weight"], {"2.weight"}),
        (["0.weight"], {"0.bias", "2.weight", "2.bias"}),
    ],
)
def test_patterns_are_of_names(patterns: list[str], left: set[str]) -> None:
    model = network()
    freeze(model, patterns)
    assert model.learnt == left


def test_a_strategy_has_nothing_beside_what_is_frozen() -> None:
    model = network()
    freeze(model, ["0.*"])
    beside = controls(Strategy(name="scaffold"), model, model.initial(0))
    assert beside.keys() == {"scaffold.2.weight", "scaffold.2.bias"}


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (["1.*"], r"'1\.\*'.*known are 0\.bias, 0\.weight, 2\.bias, 2\.weight"),
        (["0.WEIGHT"], "nothing that is learnt is called so"),
        (["0.*", "0.*", "3.*"], r"'3\.\*'"),
        (["*"], "nothing to learn"),
    ],
)
def test_what_matches_nothing_or_all_is_refused(patterns: list[str], words: str) -> None:
    with pytest.raises(TrainingError, match=words) as caught:
        freeze(network(), patterns)
    assert caught.value.code == "plan.training"


def test_an_estimator_keeps_nothing() -> None:
    with pytest.raises(TrainingError, match=r"leave training\.freeze out"):
        freeze(sklearn.tabular(SGDRegressor(), Problem(4, None)), ["coef"])


def test_it_travels_with_the_plan() -> None:
    assert Training.model_validate_json(Training(freeze=("0.*",)).canonical).freeze == ("0.*",)
    assert "freeze" not in Training().canonical
