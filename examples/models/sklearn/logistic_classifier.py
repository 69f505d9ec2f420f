"""Logistic regression: the first thing to try on any table with classes."""

from sklearn.linear_model import LogisticRegression

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "linear"


def build():
    return LogisticRegression()
