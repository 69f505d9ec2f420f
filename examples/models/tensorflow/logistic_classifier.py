"""One layer: logistic regression in Keras, for every strategy that changes steps."""

import keras
from keras import layers

framework = "tensorflow"
category = "tabular_classification"
main_method = "build"
model_type = "linear"


def build(features, outputs):
    return keras.Sequential([keras.Input((features,)), layers.Dense(outputs)])
