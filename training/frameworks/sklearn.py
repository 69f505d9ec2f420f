"""scikit-learn: linear models, SGD and multi-layer perceptrons, trained in steps from given parameters.

Three ways of training, by what an estimator can do: ``fit`` with a warm start, ``partial_fit``, and closed form.
Rows of classes that an edge does not hold are made up with weight 0 where an estimator insists on seeing them, so
that the parameters have the same shape everywhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from training.errors import model_error
from training.model import described
from training.plan import Training
from training.registry import Parameters, Problem, Report, Rows, TabularModel
from training.scores import ClassPrediction
from training.seeds import derive

Estimator = Any
_BINARY: Final = 2
_STANDSTILL: Final = 1e-300
"""A step size that changes no parameter: lets an estimator set itself up by its own means."""
_WARM_SOLVERS: Final = ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")
_STEP_SOLVERS: Final = ("adam", "sgd")
_OF_THE_FILE: Final = ("optimizer", "momentum", "weight_decay", "loss")
"""What an estimator brings itself."""


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


class _Base:
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
        for name in fields:
            if getattr(training, name) is not None:
                raise model_error("plan.training", f"{self.name} has no {name}: leave training.{name} out of the plan")
        for name in _OF_THE_FILE:
            if getattr(training, name) is not None:
                raise model_error(
                    "plan.training",
                    f"{self.name} takes no {name} from the plan: leave training.{name} out, and set it in the file",
                )


class _Linear(_Base):
    """Coefficients and intercept."""

    def initial(self, seed: int) -> Parameters:
        """Zeros: the usual start of a convex problem."""
        del seed
        return {"coef": np.zeros((self._outputs, self._problem.features)), "intercept": np.zeros(self._outputs)}

    def _placed(self, estimator: Estimator, parameters: Parameters) -> Estimator:
        estimator.coef_ = np.array(parameters["coef"], np.float64, order="C")
        estimator.intercept_ = np.array(parameters["intercept"], np.float64)
        estimator.n_features_in_ = self._problem.features
        if self._problem.classes is not None:
            estimator.classes_ = np.arange(self._problem.classes)
        return estimator

    def _with(self, parameters: Parameters) -> Estimator:
        return self._placed(self._fresh(0), parameters)

    def _taken(self, estimator: Estimator) -> Parameters:
        shape = (self._outputs, self._problem.features)
        intercept = np.zeros(self._outputs) + np.asarray(estimator.intercept_, np.float64).reshape(-1)
        return {"coef": np.asarray(estimator.coef_, np.float64).reshape(shape), "intercept": intercept}


class WarmStarted(_Linear):
    """Logistic regression: a solver that goes on from the given coefficients; an epoch is one of its iterations."""

    def trained(
        self, parameters: Parameters, rows: Rows, training: Training, *, seed: int, cycle: int, report: Report
    ) -> Parameters:
        """See ``TabularModel``."""
        self._refuse(training, "batch_size", "learning_rate")
        if self._estimator.solver not in _WARM_SOLVERS:
            raise model_error(
                "model.solver",
                f"the solver {self._estimator.solver!r} cannot go on from given coefficients; expected one of "
                f"{', '.join(_WARM_SOLVERS)}",
            )
        assert self._problem.classes is not None
        estimator = self._fresh(derive(seed, "fit", cycle), warm_start=True, max_iter=training.epochs)
        missing = np.setdiff1d(np.arange(self._problem.classes), rows.target)
        inputs = np.vstack([rows.inputs, np.zeros((len(missing), self._problem.features))])
        target = np.concatenate([rows.target, missing])
        weights = np.concatenate([np.ones(len(rows.target)), np.zeros(len(missing))])
        _fit(lambda: self._placed(estimator, parameters).fit(inputs, target, sample_weight=weights))
        report(training.epochs, training.epochs, None)
        return self._taken(estimator)


class ClosedForm(_Linear):
    """Least squares: one solution, found at once."""

    def trained(
        self, parameters: Parameters, rows: Rows, training: Training, *, seed: int, cycle: int, report: Report
    ) -> Parameters:
        """See ``TabularModel``."""
        self._refuse(training, "batch_size", "learning_rate")
        if cycle > 1 or training.epochs > 1:
            raise model_error(
                "model.closed_form", f"{self.name} is solved at once: set cycles: 1 and training.epochs: 1 in the plan"
            )
        estimator = self._fresh(derive(seed, "fit", cycle))
        _fit(lambda: estimator.fit(rows.inputs, rows.target))
        report(1, 1, None)
        return self._taken(estimator)


class Stepped(_Linear):
    """Stochastic gradient descent. The number of steps taken is part of the model: step sizes may fall with it.

    It is a whole number, so that no strategy takes it for something that is learnt.
    """

    def initial(self, seed: int) -> Parameters:
        """See ``TabularModel``."""
        return {**super().initial(seed), "steps": np.ones(1, np.int64)}

    def trained(
        self, parameters: Parameters, rows: Rows, training: Training, *, seed: int, cycle: int, report: Report
    ) -> Parameters:
        """See ``TabularModel``."""
        self._refuse(training, "batch_size")
        if self._estimator.average:
            raise model_error("model.average", f"{self.name} with average=True cannot be trained in federation")
        schedule = (
            {} if training.learning_rate is None else {"learning_rate": "constant", "eta0": training.learning_rate}
        )
        estimator = self._started(parameters, shuffle=training.shuffle, early_stopping=False, **schedule)
        for epoch in range(training.epochs):
            estimator.random_state = derive(seed, "epoch", cycle, epoch)
            _fit(lambda: estimator.partial_fit(rows.inputs, rows.target))
            report(epoch + 1, training.epochs, None)
        return {**self._taken(estimator), "steps": np.array([round(estimator.t_)], np.int64)}

    def _with(self, parameters: Parameters) -> Estimator:
        return self._started(parameters)

    def _started(self, parameters: Parameters, **settings: object) -> Estimator:
        estimator = self._fresh(0, **settings)
        _set_up(estimator, self._problem)
        estimator.coef_[...] = np.asarray(parameters["coef"]).reshape(estimator.coef_.shape)
        estimator.intercept_[...] = parameters["intercept"]
        estimator.t_ = float(parameters["steps"][0])
        return estimator


class Layered(_Base):
    """Multi-layer perceptrons. The optimiser's state is local: it begins anew in every cycle, as in FedAvg."""

    def initial(self, seed: int) -> Parameters:
        """As the estimator draws them from the seed."""
        return self._taken(self._set_up(derive(seed, "initial")))

    def trained(
        self, parameters: Parameters, rows: Rows, training: Training, *, seed: int, cycle: int, report: Report
    ) -> Parameters:
        """See ``TabularModel``."""
        self._refuse(training)
        settings: dict[str, object] = {"shuffle": training.shuffle}
        if training.learning_rate is not None:
            settings["learning_rate_init"] = training.learning_rate
        if training.batch_size is not None:
            settings["batch_size"] = min(training.batch_size, len(rows.target))
        estimator = self._with(parameters)
        estimator.set_params(
            learning_rate_init=self._estimator.learning_rate_init, batch_size=self._estimator.batch_size
        )
        estimator.set_params(**settings)
        for epoch in range(training.epochs):
            estimator.random_state = derive(seed, "epoch", cycle, epoch)
            _fit(lambda: estimator.partial_fit(rows.inputs, rows.target))
            report(epoch + 1, training.epochs, float(estimator.loss_))
        return self._taken(estimator)

    def _with(self, parameters: Parameters) -> Estimator:
        estimator = self._set_up(0)
        for layer in range(len(estimator.coefs_)):
            estimator.coefs_[layer][...] = parameters[f"coef.{layer}"]
            estimator.intercepts_[layer][...] = parameters[f"intercept.{layer}"]
        return estimator

    def _set_up(self, seed: int) -> Estimator:
        if self._estimator.solver not in _STEP_SOLVERS:
            raise model_error(
                "model.solver",
                f"the solver {self._estimator.solver!r} cannot train in steps; expected one of "
                f"{', '.join(_STEP_SOLVERS)}",
            )
        estimator = self._fresh(seed, learning_rate_init=_STANDSTILL, early_stopping=False, batch_size="auto")
        _set_up(estimator, self._problem)
        # Its optimiser was made for the standstill; the next partial_fit makes the one that was asked for.
        estimator.__dict__.pop("_optimizer", None)
        return estimator

    def _taken(self, estimator: Estimator) -> Parameters:
        layers = range(len(estimator.coefs_))
        return {
            **{f"coef.{layer}": np.asarray(estimator.coefs_[layer], np.float64) for layer in layers},
            **{f"intercept.{layer}": np.asarray(estimator.intercepts_[layer], np.float64) for layer in layers},
        }


def _set_up(estimator: Estimator, problem: Problem) -> None:
    """Have an estimator make its parameters, with the right shapes, from rows of zeros."""
    if problem.classes is None:
        _fit(lambda: estimator.partial_fit(np.zeros((1, problem.features)), np.zeros(1)))
    else:
        codes = np.arange(problem.classes)
        _fit(lambda: estimator.partial_fit(np.zeros((len(codes), problem.features)), codes, classes=codes))


def _fit(step: Callable[[], object]) -> None:
    """Run a step of the framework; what it objects to is the model's fault."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # A cycle is one of many, so that it ends before convergence is what was asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            step()
        except (ValueError, TypeError, AttributeError, np.linalg.LinAlgError) as error:
            raise model_error(
                "model.training", f"scikit-learn refuses to train this model: {described(error)}"
            ) from error


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
)
