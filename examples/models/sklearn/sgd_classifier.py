"""A linear classifier that goes row by row: for tables too long for a solver."""

from sklearn.linear_model import SGDClassifier

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "linear"


def build():
    return SGDClassifier(loss="log_loss", alpha=0.001)
