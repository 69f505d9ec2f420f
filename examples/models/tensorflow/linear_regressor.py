"""One layer: linear regression in Keras, by steps."""

import keras
from keras import layers

framework = "tensorflow"
category = "tabular_regression"
main_method = "build"
model_type = "linear"


def build(features):
    return keras.Sequential([keras.Input((features,)), layers.Dense(1)])
