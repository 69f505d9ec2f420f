"""A small network that tells malignant from benign tumours."""

import keras
from keras import layers

framework = "tensorflow"
category = "tabular_classification"
main_method = "build"
model_type = "neural_network"


def build(features, outputs):
    return keras.Sequential(
        [
            keras.Input((features,)),
            layers.Dense(16),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.1),
            layers.Dense(outputs, activation="softmax"),
        ]
    )
