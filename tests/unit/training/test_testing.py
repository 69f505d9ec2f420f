"""The behaviour suite of frameworks finds out plug-ins that do not keep what they have to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.frameworks import sklearn
from training.plan import Training
from training.registry import Framework, Parameters, Plugin, Problem, Report, Rows, TabularModel
from training.testing import CHECKS, Case
from training.testing.case import refusal

SOURCE = """
from sklearn.neural_network import MLPClassifier

framework = "broken"
category = "tabular_classification"
main_method = "build"

def build():
    return MLPClassifier((8,))
"""
Trained = Callable[..., Parameters]


@dataclass(frozen=True)
class Broken(Framework):
    """A framework that trains as ``trained`` says, given how scikit-learn does."""

    trained: Callable[[Trained], Trained] | None = None

    def load(self) -> Plugin:
        def tabular(made: object, problem: Problem) -> TabularModel:
            model: Any = sklearn.tabular(made, problem)
            if self.trained is not None:
                model.trained = self.trained(model.trained)
            return model

        return SimpleNamespace(begin=sklearn.begin, tabular=tabular)


def failing(trained: Callable[[Trained], Trained] | None) -> set[str]:
    """Names of the checks that fail."""
    framework = Broken("broken", "", "sklearn", frozenset({"tabular_classification"}), "", trained=trained)
    case = Case(framework, SOURCE, Training(epochs=8, learning_rate=0.05, batch_size=8), classes=3)
    found = set()
    for check in CHECKS:
        try:
            check(case)
        except AssertionError:
            found.add(check.__name__)
    return found


def test_one_that_keeps_everything_passes() -> None:
    assert failing(None) == set()


def _forgets(trained: Trained) -> Trained:
    """Begins anew in every cycle."""

    def other(parameters: Parameters, *rest: Any, **more: Any) -> Parameters:
        return trained({name: np.full_like(each, 0.1) for name, each in parameters.items()}, *rest, **more)

    return other


def _changes(trained: Trained) -> Trained:
    """Works on the arrays that it was given."""

    def other(parameters: Parameters, *rest: Any, **more: Any) -> Parameters:
        after = trained(parameters, *rest, **more)
        for name, each in parameters.items():
            each[...] = after[name]
        return after

    return other


def _draws(trained: Trained) -> Trained:
    """Draws from a generator that nobody seeds."""
    drawn = np.random.default_rng()

    def other(*rest: Any, **more: Any) -> Parameters:
        return {name: each + 1e-9 * drawn.normal() for name, each in trained(*rest, **more).items()}

    return other


def _ignores(trained: Trained) -> Trained:
    """Takes no notice of what the plan says about momentum and loss."""

    def other(parameters: Parameters, rows: Rows, training: Training, **more: Any) -> Parameters:
        said = training.model_copy(update={"momentum": None, "loss": None})
        return trained(parameters, rows, said, **more)

    return other


def _one_order(trained: Trained) -> Trained:
    """Takes rows in the same order in every cycle."""

    def other(parameters: Parameters, rows: Rows, training: Training, *, cycle: int, **more: Any) -> Parameters:
        del cycle
        return trained(parameters, rows, training, cycle=1, **more)

    return other


def _silent(trained: Trained) -> Trained:
    def other(parameters: Parameters, rows: Rows, training: Training, *, report: Report, **more: Any) -> Parameters:
        del report
        return trained(parameters, rows, training, report=lambda *_: None, **more)

    return other


def _stands(trained: Trained) -> Trained:
    """Learns nothing."""
    del trained
    return lambda parameters, *_, **__: dict(parameters)


def _swallows(trained: Trained) -> Trained:
    """Takes a cell that is no number for zero."""

    def other(parameters: Parameters, rows: Rows, *rest: Any, **more: Any) -> Parameters:
        return trained(parameters, Rows(np.nan_to_num(rows.inputs), rows.target), *rest, **more)

    return other


@pytest.mark.parametrize(
    ("trained", "check"),
    [
        (_forgets, "second_cycle_goes_on_from_received_weights"),
        (_changes, "parameters_are_arrays_of_its_own"),
        (_draws, "same_work_gives_the_same_bits"),
        (_ignores, "every_field_is_used_or_refused"),
        (_one_order, "order_of_rows_follows_from_seed_and_cycle"),
        (_silent, "progress_is_told_by_epochs"),
        (_stands, "training_changes_values_and_keeps_their_form"),
        (_swallows, "what_is_not_finite_is_named"),
    ],
)
def test_one_that_does_not_is_found_out(trained: Callable[[Trained], Trained], check: str) -> None:
    assert check in failing(trained)


def test_a_guided_framework_that_misses_a_method_is_found_out() -> None:
    framework = Broken("broken", "", "sklearn", frozenset({"tabular_classification"}), "")
    case = Case(framework, SOURCE, Training(batch_size=8), classes=3, guided=True)
    check = next(each for each in CHECKS if each.__name__ == "it_is_guided_or_says_that_it_is_not")
    with pytest.raises(AssertionError):
        check(case)


def test_only_what_training_says_is_a_refusal() -> None:
    assert refusal(lambda: 1) is None
    with pytest.raises(ZeroDivisionError):
        refusal(lambda: 1 / 0)
