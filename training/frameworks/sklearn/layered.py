"""Multi-layer perceptrons."""

from __future__ import annotations

from typing import Final

import numpy as np

from training.errors import model_error
from training.frameworks.sklearn.estimators import Base, Estimator, fit, set_up
from training.plan import Training
from training.registry import Parameters, Report, Rows
from training.seeds import derive

_STANDSTILL: Final = 1e-300
"""A step size that changes no parameter: lets an estimator set itself up by its own means."""
_STEP_SOLVERS: Final = ("adam", "sgd")


class Layered(Base):
    """Multi-layer perceptrons. The optimiser's state is local: it begins anew in every cycle, as in FedAvg.

    scikit-learn divides a batch's weighted loss by the sum of its weights.
    """

    model_types = ("neural_network",)
    weighs_rows = True

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
            fit(lambda: estimator.partial_fit(rows.inputs, rows.target, sample_weight=rows.weights))
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
        set_up(estimator, self._problem)
        # Its optimiser was made for the standstill; the next partial_fit makes the one that was asked for.
        estimator.__dict__.pop("_optimizer", None)
        return estimator

    def _taken(self, estimator: Estimator) -> Parameters:
        layers = range(len(estimator.coefs_))
        return {
            **{f"coef.{layer}": np.asarray(estimator.coefs_[layer], np.float64) for layer in layers},
            **{f"intercept.{layer}": np.asarray(estimator.intercepts_[layer], np.float64) for layer in layers},
        }
