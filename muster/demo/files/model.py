"""Logistic regression: tells malignant from benign tumours by thirty measurements."""

from sklearn.linear_model import LogisticRegression

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "linear"


def build() -> LogisticRegression:
    """The model, untrained."""
    return LogisticRegression()
