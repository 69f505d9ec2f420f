"""A small perceptron that predicts how diabetes progresses within a year."""

from sklearn.neural_network import MLPRegressor

framework = "sklearn"
category = "tabular_regression"
main_method = "build"
model_type = "neural_network"


def build():
    return MLPRegressor(hidden_layer_sizes=(8,), alpha=0.01)
