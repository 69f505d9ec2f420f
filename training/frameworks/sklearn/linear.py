"""Linear models: coefficients and an intercept, by a warm start, in closed form or in steps.

Rows of classes that an edge does not hold are made up with weight 0 where an estimator insists on seeing them, so
that the parameters have the same shape everywhere.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from training.errors import model_error
from training.frameworks.sklearn.estimators import Base, Estimator, fit, set_up
from training.plan import Training
from training.registry import Parameters, Report, Rows
from training.seeds import derive

_WARM_SOLVERS: Final = ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")


class Linear(Base):
    """Coefficients and intercept."""

    model_types = ("linear",)

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


class WarmStarted(Linear):
    """Logistic regression: a solver that goes on from the given coefficients; an epoch is one of its iterations."""

    weighs_rows = True

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
        counted = np.ones(len(rows.target)) if rows.weights is None else rows.weights
        weights = np.concatenate([counted, np.zeros(len(missing))])
        fit(lambda: self._placed(estimator, parameters).fit(inputs, target, sample_weight=weights))
        report(training.epochs, training.epochs, None)
        return self._taken(estimator)


class ClosedForm(Linear):
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
        fit(lambda: estimator.fit(rows.inputs, rows.target))
        report(1, 1, None)
        return self._taken(estimator)


class Stepped(Linear):
    """Stochastic gradient descent. The number of steps taken is part of the model: step sizes may fall with it.

    It is a whole number, so that no strategy takes it for something that is learnt.
    """

    weighs_rows = True

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
            fit(lambda: estimator.partial_fit(rows.inputs, rows.target, sample_weight=rows.weights))
            report(epoch + 1, training.epochs, None)
        return {**self._taken(estimator), "steps": np.array([round(estimator.t_)], np.int64)}

    def _with(self, parameters: Parameters) -> Estimator:
        return self._started(parameters)

    def _started(self, parameters: Parameters, **settings: object) -> Estimator:
        estimator = self._fresh(0, **settings)
        set_up(estimator, self._problem)
        estimator.coef_[...] = np.asarray(parameters["coef"]).reshape(estimator.coef_.shape)
        estimator.intercept_[...] = parameters["intercept"]
        estimator.t_ = float(parameters["steps"][0])
        return estimator
