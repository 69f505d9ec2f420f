"""One hidden layer that predicts a number."""

from sklearn.neural_network import MLPRegressor

framework = "sklearn"
category = "tabular_regression"
main_method = "build"
model_type = "neural_network"


def build():
    return MLPRegressor(hidden_layer_sizes=(16,), alpha=0.01)
