"""One hidden layer: classes that no straight line tells apart."""

from sklearn.neural_network import MLPClassifier

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "neural_network"


def build():
    return MLPClassifier(hidden_layer_sizes=(32,), alpha=0.001)
