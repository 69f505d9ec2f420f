"""What all estimators of scikit-learn share on their way into a federation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from training.errors import described, egress_error, model_error
from training.plan import Training
from training.registry import Parameters, Problem
from training.scores import ClassPrediction

Estimator = Any
_BINARY: Final = 2
_OF_NONE: Final = ("gradient_clip",)
"""What no estimator has."""
_OF_THE_FILE: Final = ("optimizer", "momentum", "weight_decay", "loss")
"""What an estimator brings itself."""

_DIVERGED: Final = ("under-/overflow", "non-finite parameter")
"""How scikit-learn says that what it learns has left the numbers."""


class Base:
    """What all ways of training share.

    Args:
        estimator: As the vendor made it; never changed.
        problem: What is learnt.
    """

    def __init__(self, estimator: Estimator, problem: Problem) -> None:
        self.name = type(estimator).__name__
        self._estimator = estimator
        self._problem = problem

    @property
    def _outputs(self) -> int:
        """Rows of the coefficients of a linear model."""
        classes = self._problem.classes
        return 1 if classes is None or classes == _BINARY else classes

    def _fresh(self, seed: int, **parameters: object) -> Estimator:
        copy = clone(self._estimator)
        own = copy.get_params()
        wanted = {"random_state": seed, **parameters}
        copy.set_params(**{name: value for name, value in wanted.items() if name in own})
        return copy

    def _with(self, parameters: Parameters) -> Estimator:
        raise NotImplementedError

    def classes(self, parameters: Parameters, inputs: NDArray[np.float64]) -> ClassPrediction:
        """See ``TabularModel``."""
        if not len(inputs):
            return ClassPrediction(np.zeros(0, np.int64))
        estimator = self._with(parameters)
        codes = np.asarray(estimator.predict(inputs), np.int64)
        probabilities = decisions = None
        if hasattr(estimator, "predict_proba"):
            probabilities = np.asarray(estimator.predict_proba(inputs), np.float64)
        elif hasattr(estimator, "decision_function"):
            decisions = np.asarray(estimator.decision_function(inputs), np.float64)
        return ClassPrediction(codes, probabilities, decisions)

    def values(self, parameters: Parameters, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``TabularModel``."""
        if not len(inputs):
            return np.zeros(0)
        return np.asarray(self._with(parameters).predict(inputs), np.float64).reshape(-1)

    def _refuse(self, training: Training, *fields: str) -> None:
        """Nothing that a plan says is ignored in silence."""
        if not isinstance(training.learning_rate, float | None):
            raise model_error(
                "plan.training",
                f"{self.name} follows no schedule: give training.learning_rate a number, or leave it out and set it in "
                "the file",
            )
        if training.keeps_optimizer:
            raise model_error(
                "plan.training",
                f"{self.name} keeps no state of its optimizer from cycle to cycle: leave training.optimizer_state out",
            )
        for name in (*_OF_NONE, *fields):
            if getattr(training, name) is not None:
                raise model_error(
                    "plan.training", f"{self.name} has no {name}: leave it out of the plan and the model file"
                )
        for name in _OF_THE_FILE:
            if getattr(training, name) is not None:
                raise model_error(
                    "plan.training",
                    f"{self.name} takes no {name} from the plan: leave training.{name} out, and set it in the file",
                )


def set_up(estimator: Estimator, problem: Problem) -> None:
    """Have an estimator make its parameters, with the right shapes, from rows of zeros."""
    if problem.classes is None:
        fit(lambda: estimator.partial_fit(np.zeros((1, problem.features)), np.zeros(1)))
    else:
        codes = np.arange(problem.classes)
        fit(lambda: estimator.partial_fit(np.zeros((len(codes), problem.features)), codes, classes=codes))


def fit(step: Callable[[], object]) -> None:
    """Run a step of the framework; what it objects to is the model's fault."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # A cycle is one of many, so that it ends before convergence is what was asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            step()
        except (ValueError, TypeError, AttributeError, np.linalg.LinAlgError) as error:
            if any(words in str(error) for words in _DIVERGED):
                raise egress_error(
                    "weights.finite",
                    "a tensor of 'model.' has values that are not finite (scikit-learn does not say which): lower the "
                    "learning rate, or check the features",
                ) from error
            raise model_error(
                "model.training", f"scikit-learn refuses to train this model: {described(error)}"
            ) from error
