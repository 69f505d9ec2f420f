"""Which estimators there are, and how each is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from training.errors import model_error
from training.frameworks.sklearn.estimators import Estimator
from training.frameworks.sklearn.forests import Forest
from training.frameworks.sklearn.layered import Layered
from training.frameworks.sklearn.linear import ClosedForm, Stepped, WarmStarted
from training.registry import Problem, TabularModel


def begin(seed: int) -> None:
    """See ``training.registry.Plugin``. Estimators are told their seeds one by one."""
    del seed


def tabular(made: object, problem: Problem) -> TabularModel:
    """See ``training.registry.Plugin``."""
    for handler in _HANDLERS:
        if isinstance(made, handler.kinds):
            if is_classifier(made) != (problem.classes is not None):
                wanted = "classes" if problem.classes is not None else "a number"
                raise model_error(
                    "model.category", f"{type(made).__name__} cannot be used here: the target is {wanted}"
                )
            return handler.make(made, problem)
    known = ", ".join(kind.__name__ for handler in _HANDLERS for kind in handler.kinds)
    raise model_error(
        "model.estimator",
        f"{type(made).__name__} cannot be trained in federation; expected a bare estimator, one of {known} "
        "(features are standardised across the edges already, so no pipeline is needed)",
    )


@dataclass(frozen=True)
class _Handler:
    kinds: tuple[type, ...]
    make: Callable[[Estimator, Problem], TabularModel]


_HANDLERS: Final = (
    _Handler((LogisticRegression,), WarmStarted),
    _Handler((SGDClassifier,), Stepped),
    _Handler((SGDRegressor,), Stepped),
    _Handler((MLPClassifier,), Layered),
    _Handler((MLPRegressor,), Layered),
    _Handler((LinearRegression, Ridge), ClosedForm),
    _Handler((RandomForestClassifier, ExtraTreesClassifier), Forest),
    _Handler((RandomForestRegressor, ExtraTreesRegressor), Forest),
)
