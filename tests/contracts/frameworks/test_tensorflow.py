"""TensorFlow under the behaviour suite of frameworks."""

from __future__ import annotations

import pytest

from support.frameworks import FRAMEWORKS, identified
from training.plan import Training
from training.testing import WORKER_CHECKS, Case, Check, pairs

STEPS = Training(epochs=8, learning_rate=0.05, batch_size=8)
ADAM = STEPS.model_copy(update={"optimizer": "adam", "learning_rate": 0.01})


DOUBLED = """
import tensorflow as tf

def loss(outputs, targets):
    if targets.dtype.is_floating:
        return 2 * tf.reduce_mean(tf.square(outputs - targets))
    if len(outputs.shape) == 1:
        return 2 * tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(targets, outputs.dtype), outputs))
    return 2 * tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs))
"""


def case(made: str, classes: int | None, training: Training = STEPS) -> Case:
    category = "tabular_regression" if classes is None else "tabular_classification"
    source = f"""
import keras
from keras import layers

framework = "tensorflow"
category = "{category}"
main_method = "build"

class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.body, self.normal, self.drop = layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.3)
        self.noise, self.head = layers.GaussianNoise(0.1), layers.Dense(3)

    def call(self, rows, training=False):
        found = self.noise(keras.activations.relu(self.normal(self.body(rows), training=training)), training=training)
        return self.head(self.drop(found, training=training))

def functional(features):
    rows = keras.Input((features,))
    return keras.Model(rows, layers.Dense(1)(layers.Dense(8, activation="relu")(rows)))

def build(features):
    return {made}
"""
    return Case(FRAMEWORKS["tensorflow"], source, training, classes, guided=True, doubled=DOUBLED)


CASES = {
    "sequential": case("keras.Sequential([layers.Dense(8, 'relu'), layers.Dense(3, 'softmax')])", 3),
    "a class, dropout, noise and normalisation": case("Own()", 3, ADAM),
    "one output": case("keras.Sequential([layers.Dense(8, 'relu'), layers.Dense(1, 'sigmoid')])", 2),
    "functional, numbers": case("functional(features)", None),
}


@pytest.mark.parametrize(("of", "check"), identified(pairs(CASES), CASES))
def test_it_keeps_what_a_framework_has_to(of: Case, check: Check) -> None:
    check(of)


@pytest.mark.parametrize("check", WORKER_CHECKS)
def test_in_workers(check: Check) -> None:
    check(CASES["a class, dropout, noise and normalisation"])
