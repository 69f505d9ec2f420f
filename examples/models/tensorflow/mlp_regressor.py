"""A perceptron with two hidden layers and dropout: the usual network for tables with a number to predict."""

import keras
from keras import layers

framework = "tensorflow"
category = "tabular_regression"
main_method = "build"
model_type = "neural_network"

WIDTH = 32


def build(features):
    return keras.Sequential(
        [
            keras.Input((features,)),
            layers.Dense(WIDTH, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(WIDTH, activation="relu"),
            layers.Dense(1),
        ]
    )
