"""Forests, grown tree by tree; what their trees look like as arrays is in ``trees``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.errors import model_error
from training.frameworks.sklearn import trees
from training.frameworks.sklearn.estimators import Base, fit
from training.plan import Training
from training.registry import Parameters, Report, Rows
from training.scores import ClassPrediction
from training.seeds import derive


class Forest(Base):
    """Random forests and extremely randomised trees: each cycle, every edge adds as many trees as the estimator has."""

    model_types = ("ensemble",)
    weighs_rows = True
    reductions = trees.REDUCTIONS

    def initial(self, seed: int) -> Parameters:
        """No tree."""
        del seed
        return trees.none(self._problem)

    def trained(
        self, parameters: Parameters, rows: Rows, training: Training, *, seed: int, cycle: int, report: Report
    ) -> Parameters:
        """See ``TabularModel``: the new trees alone. Edges draw apart, since the seed depends on the rows."""
        del parameters
        self._refuse(training, "batch_size", "learning_rate")
        if training.epochs > 1:
            raise model_error(
                "plan.training",
                f"{self.name} grows n_estimators trees per edge and cycle: set training.epochs: 1 in the plan, and "
                "n_estimators in the model file",
            )
        drawn = derive(seed, "trees", cycle, trees.fingerprint(rows))
        estimator = self._fresh(drawn, warm_start=False, oob_score=False, n_jobs=None, verbose=0)
        fit(lambda: estimator.fit(rows.inputs, rows.target, sample_weight=rows.weights))
        report(1, 1, None)
        return trees.taken(estimator, self._problem)

    def classes(self, parameters: Parameters, inputs: NDArray[np.float64]) -> ClassPrediction:
        """See ``TabularModel``; the mean of the trees' probabilities, as scikit-learn has it."""
        probabilities = trees.predicted(parameters, inputs, self._problem)
        return ClassPrediction(np.argmax(probabilities, axis=1).astype(np.int64), probabilities)

    def values(self, parameters: Parameters, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``TabularModel``; the mean of the trees' values."""
        return trees.predicted(parameters, inputs, self._problem)[:, 0]
