"""A random forest that predicts a number."""

from sklearn.ensemble import RandomForestRegressor

framework = "sklearn"
category = "tabular_regression"
main_method = "build"
model_type = "ensemble"


def build():
    return RandomForestRegressor(n_estimators=60, min_samples_leaf=3)
