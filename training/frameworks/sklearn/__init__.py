"""scikit-learn: linear models, SGD and multi-layer perceptrons, trained in steps from given parameters; forests.

What lives here: which estimators there are (``entry``) and what they share (``estimators``); three ways of training, by
what an estimator can do: ``fit`` with a warm start and closed form (``linear``), ``partial_fit`` (``linear`` and
``layered``); forests, which are grown tree by tree (``forests``) and travel as arrays (``trees``). What does not: rows,
preprocessing, metrics, strategies.
"""

from training.frameworks.sklearn.entry import begin, tabular

__all__ = ["begin", "tabular"]
