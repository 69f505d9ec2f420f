"""A linear regression that goes row by row: for tables too long for a solution at once."""

from sklearn.linear_model import SGDRegressor

framework = "sklearn"
category = "tabular_regression"
main_method = "build"
model_type = "linear"


def build():
    return SGDRegressor(alpha=0.001)
