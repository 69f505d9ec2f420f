"""A residual network for tables, in blocks with layer normalisation: deep, many rows, predicts a number.

After the ResNet of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021, but for the
normalisation: that of a layer keeps no running means, which edges with different rows would disagree on.
"""

import keras
from keras import layers

framework = "tensorflow"
category = "tabular_regression"
main_method = "build"
model_type = "neural_network"

WIDTH = 32
BLOCKS = 2


def block(rows):
    found = layers.LayerNormalization()(rows)
    found = layers.Dense(2 * WIDTH, activation="relu")(found)
    found = layers.Dense(WIDTH)(layers.Dropout(0.1)(found))
    return layers.add([rows, found])


def build(features):
    inputs = keras.Input((features,))
    rows = layers.Dense(WIDTH)(inputs)
    for _ in range(BLOCKS):
        rows = block(rows)
    return keras.Model(inputs, layers.Dense(1)(layers.LayerNormalization()(rows)))
