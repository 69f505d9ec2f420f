"""What is special about TensorFlow: what a Keras model may be, what it keeps, and how what is wrong is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from training.categories.tabular import reductions_of
from training.errors import TrainingError
from training.frameworks import tensorflow as plugin
from training.plan import Training
from training.registry import Guidance, Parameters, Problem, Rows
from training.weights import KEEP, MEAN, STATISTIC

import keras  # isort: skip - the plug-in says how it is loaded
import tensorflow as tf  # isort: skip
from keras import layers  # isort: skip

from training.frameworks.tensorflow.recipe import recipe  # isort: skip

PROBLEM = Problem(4, 3)
NUMBERS = Problem(4, None)
PAIR = Problem(4, 2)
RANDOM = np.random.default_rng(0)
ROWS = Rows(RANDOM.normal(size=(33, 4)), RANDOM.integers(0, 3, 33))
STEPS = Training(learning_rate=0.05, batch_size=8)


def learn(
    make: Callable[[], Any], training: Training = STEPS, problem: Problem = PROBLEM, rows: Rows = ROWS
) -> Parameters:
    plugin.begin(1)
    model = plugin.tabular(make(), problem)
    return model.trained(model.initial(1), rows, training, seed=1, cycle=1, report=lambda *_: None)


def dense(units: int = 3, **more: Any) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([layers.Dense(units, **more)])


class Odd(keras.Model):
    """Some of everything that a model can keep."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.normal, self.drop = layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.2)
        self.frozen = layers.Dense(8, trainable=False)
        self.head = layers.Dense(3)
        self.unused = self.add_weight(shape=(2,), initializer="ones", name="unused")
        self.mask = self.add_weight(shape=(2,), initializer="zeros", dtype="bool", trainable=False, name="mask")

    def call(self, rows: Any, training: bool = False) -> Any:
        return self.head(self.frozen(self.drop(self.normal(self.body(rows), training=training), training=training)))


def test_what_is_counted_or_fixed_is_no_direction_to_go() -> None:
    plugin.begin(1)
    model = plugin.tabular(Odd(), PROBLEM)
    first = model.initial(0)
    reductions = reductions_of(model, first, MEAN)
    assert {name for name, each in reductions.items() if each == STATISTIC} == {
        *("odd/batch_normalization/moving_mean", "odd/batch_normalization/moving_variance"),
        *("odd/dense_1/kernel", "odd/dense_1/bias"),
    }
    assert reductions["odd/mask"] == KEEP
    assert not any("seed" in name for name in first), "what is drawn follows from seed, cycle and epoch"
    after = learn(Odd)
    assert np.array_equal(after["odd/dense_1/kernel"], first["odd/dense_1/kernel"])
    assert np.array_equal(after["odd/unused"], [1, 1])
    assert not np.array_equal(
        after["odd/batch_normalization/moving_mean"], first["odd/batch_normalization/moving_mean"]
    )


def test_what_a_strategy_adds_moves_even_what_the_loss_does_not_know() -> None:
    plugin.begin(1)
    model = plugin.tabular(Odd(), PROBLEM)
    guidance = Guidance(correction={"odd/unused": np.array([1.0, -1.0])})
    done = model.guided(model.initial(0), ROWS, STEPS, guidance, seed=1, cycle=1, report=lambda *_: None)
    assert done.steps == 4, "33 rows by 8: the last one joined the batch before"
    assert done.step_size == pytest.approx(0.05)
    np.testing.assert_allclose(done.parameters["odd/unused"], [0.8, 1.2], rtol=1e-6)


def test_a_softmax_at_the_end_is_seen_through() -> None:
    """The scores before it are what losses and predictions go by, so it makes no difference to the weights."""
    bare, ending = learn(dense()), learn(dense(activation="softmax"))
    assert all(bare[name].tobytes() == ending[name].tobytes() for name in bare)
    plugin.begin(1)
    model = plugin.tabular(dense(activation="softmax")(), PROBLEM)
    predicted = model.classes(bare, ROWS.inputs)
    shown = model._model(tf.constant(ROWS.inputs, "float32")).numpy()  # type: ignore[attr-defined]
    np.testing.assert_allclose(predicted.probabilities, shown, rtol=1e-5)


def test_a_sigmoid_at_the_end_is_seen_through() -> None:
    rows = Rows(ROWS.inputs, ROWS.target % 2)
    bare, ending = (learn(dense(1, activation=each), STEPS, PAIR, rows) for each in (None, "sigmoid"))
    assert all(bare[name].tobytes() == ending[name].tobytes() for name in bare)


class Hidden(keras.Model):
    """Ends in a softmax that Keras does not know of."""

    def __init__(self) -> None:
        super().__init__()
        self.head = layers.Dense(3)

    def call(self, rows: Any) -> Any:
        return tf.nn.softmax(self.head(rows))


class Twins(keras.Model):
    """Two layers of one name."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = layers.Dense(3, name="x"), layers.Dense(3, name="x")

    def call(self, rows: Any) -> Any:
        return self.two(self.one(rows))


class Pairs(keras.Model):
    def call(self, rows: Any) -> Any:
        return rows, rows


@pytest.mark.parametrize(
    ("make", "training", "problem", "code", "words"),
    [
        (dense(2), STEPS, PROBLEM, "model.output", r"float32\[2, 2\] for 2 rows.*\[2, 3\]"),
        (dense(3), STEPS, NUMBERS, "model.output", r"\[2\] or \[2, 1\]"),
        (Pairs, STEPS, PROBLEM, "model.output", "gives tuple"),
        (Hidden, STEPS, PROBLEM, "model.output", "activation='softmax'"),
        (Twins, STEPS, PROBLEM, "model.estimator", "2 variables called 'twins/x/kernel'"),
        (
            lambda: keras.Sequential([layers.Input((5,)), layers.Dense(3)]),
            STEPS,
            PROBLEM,
            "model.training",
            "TensorFlow refuses.*value 5",
        ),
        (
            lambda: keras.Sequential([layers.ReLU(), layers.Reshape((4,))]),
            STEPS,
            Problem(4, 4),
            "model.estimator",
            "no",
        ),
        (dense(3, dtype="bfloat16"), STEPS, PROBLEM, "model.estimator", "as bfloat16"),
        (lambda: layers.Dense, STEPS, PROBLEM, "model.estimator", "expected a keras.Model"),
        (dense(), STEPS.model_copy(update={"loss": "mse"}), PROBLEM, "plan.training", "is classes"),
        (dense(1), STEPS.model_copy(update={"loss": "cross_entropy"}), NUMBERS, "plan.training", "is a number"),
        (dense(1), STEPS.model_copy(update={"loss": "multi_margin"}), PAIR, "plan.training", "each of two classes"),
        (
            dense(),
            STEPS.model_copy(update={"optimizer": "radam"}),
            PROBLEM,
            "plan.training",
            "no optimizer radam.*ftrl",
        ),
        (
            dense(),
            STEPS.model_copy(update={"optimizer": "adam", "momentum": 0.9}),
            PROBLEM,
            "plan.training",
            "adam has no momentum; those that have: rmsprop, sgd",
        ),
        (
            dense(1),
            STEPS.model_copy(update={"learning_rate": 1e6}),
            NUMBERS,
            "weights.finite",
            "'model.sequential/dense/kernel'",
        ),
    ],
)
def test_what_is_wrong_is_named(make: Any, training: Training, problem: Problem, code: str, words: str) -> None:
    with pytest.raises(TrainingError, match=words) as caught:
        learn(make, training.model_copy(update={"epochs": 30}), problem)
    assert caught.value.code == code
    assert "\x1b" not in caught.value.message


def test_torch_has_no_ftrl() -> None:
    from training.frameworks import torch as other

    model = other.tabular(torch.nn.Linear(4, 3), PROBLEM)
    with pytest.raises(TrainingError, match=r"torch has no optimizer ftrl.*radam"):
        model.trained(model.initial(0), ROWS, Training(optimizer="ftrl"), seed=1, cycle=1, report=lambda *_: None)


@pytest.mark.parametrize("optimizer", ["adadelta", "adagrad", "adam", "adamax", "adamw", "ftrl", "nadam", "rmsprop"])
def test_every_optimizer_that_a_plan_may_name(optimizer: str) -> None:
    one, two = (learn(dense(), STEPS.model_copy(update={"optimizer": optimizer})) for _ in range(2))
    name = "sequential/dense/kernel"
    assert not np.array_equal(one[name], learn(dense())[name])
    assert one[name].tobytes() == two[name].tobytes()


@pytest.mark.parametrize("name", ["cross_entropy", "multi_margin", "mse", "mae", "huber", "smooth_l1"])
def test_losses_are_those_of_pytorch(name: Any) -> None:
    of_classes = name in {"cross_entropy", "multi_margin"}
    problem = PROBLEM if of_classes else NUMBERS
    model = keras.Sequential([layers.Dense(3 if of_classes else 1)])
    model.build((None, 4))
    found = RANDOM.normal(size=(9, 3) if of_classes else (9,)) * 2
    target = RANDOM.integers(0, 3, 9) if of_classes else RANDOM.normal(size=9)
    kinds: dict[str, Any] = {
        "cross_entropy": functional.cross_entropy,
        "multi_margin": functional.multi_margin_loss,
        "mse": functional.mse_loss,
        "mae": functional.l1_loss,
        "huber": functional.huber_loss,
        "smooth_l1": functional.smooth_l1_loss,
    }
    ours, weights = recipe(Training(loss=name), problem, model), RANDOM.random(9)
    given, wanted = torch.from_numpy(found), torch.from_numpy(target)
    plain = ours.loss_of(tf.constant(found), tf.constant(target), None)
    np.testing.assert_allclose(float(plain), float(kinds[name](given, wanted)), rtol=1e-12)
    weighted = ours.loss_of(tf.constant(found), tf.constant(target), tf.constant(weights))
    by_row = kinds[name](given, wanted, reduction="none").numpy()
    np.testing.assert_allclose(float(weighted), np.mean(weights * by_row), rtol=1e-12)


def compiled(**settings: Any) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        model = keras.Sequential([layers.Dense(3, activation="softmax")])
        model.compile(**settings)
        return model

    return make


OPEN = Training(batch_size=8)


def test_a_compiled_model_brings_its_optimizer_and_the_plan_has_the_last_word() -> None:
    def kernel(make: Callable[[], keras.Model], training: Training) -> bytes:
        return learn(make, training)["sequential/dense/kernel"].tobytes()

    own = compiled(optimizer=keras.optimizers.Adam(0.02, beta_1=0.5))
    assert kernel(own, OPEN) != kernel(compiled(optimizer=keras.optimizers.Adam(0.02)), OPEN)
    assert kernel(own, OPEN) != kernel(own, OPEN.model_copy(update={"learning_rate": 0.01}))
    named = OPEN.model_copy(update={"optimizer": "adam", "learning_rate": 0.02})
    assert kernel(own, named) == kernel(dense(), named), "the plan's adam has Keras's own settings"


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        keras.losses.CategoricalCrossentropy(),
    ],
)
def test_a_compiled_loss_is_the_one_that_counts_if_the_plan_names_none(loss: Any) -> None:
    given = learn(compiled(optimizer="sgd", loss=loss), STEPS)
    usual = learn(dense(), STEPS)
    np.testing.assert_allclose(given["sequential/dense/kernel"], usual["sequential/dense/kernel"], atol=1e-6)
    smooth = learn(compiled(optimizer="sgd", loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.5)), STEPS)
    assert np.abs(smooth["sequential/dense/kernel"] - usual["sequential/dense/kernel"]).max() > 1e-3


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", keras.losses.CategoricalCrossentropy()])
def test_weights_of_rows_go_into_a_compiled_loss_too(loss: Any) -> None:
    weighted = Rows(ROWS.inputs, ROWS.target, np.where(ROWS.target == 0, 5.0, 0.5))
    given, usual = learn(compiled(optimizer="sgd", loss=loss), STEPS, rows=weighted), learn(dense(), rows=weighted)
    np.testing.assert_allclose(given["sequential/dense/kernel"], usual["sequential/dense/kernel"], atol=1e-6)
    assert np.abs(usual["sequential/dense/kernel"] - learn(dense())["sequential/dense/kernel"]).max() > 1e-2


def test_a_compiled_loss_of_one_number_cannot_be_weighted() -> None:
    def whole(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(target - output))

    weighted = Rows(ROWS.inputs, ROWS.target, np.ones(len(ROWS.target)))
    with pytest.raises(TrainingError, match="gives one of shape") as caught:
        learn(compiled(optimizer="sgd", loss=whole), STEPS, rows=weighted)
    assert caught.value.code == "plan.training"


def test_scaffold_does_not_correct_what_a_model_was_compiled_with() -> None:
    plugin.begin(1)
    model = plugin.tabular(compiled(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))(), PROBLEM)
    first = model.initial(0)
    guidance = Guidance(correction={name: np.zeros_like(each) for name, each in first.items()})
    with pytest.raises(TrainingError, match=r"training\.optimizer to sgd") as caught:
        model.guided(first, ROWS, OPEN, guidance, seed=1, cycle=1, report=lambda *_: None)
    assert caught.value.code == "plan.training"
    plain = OPEN.model_copy(update={"momentum": 0.0})
    assert model.guided(first, ROWS, plain, guidance, seed=1, cycle=1, report=lambda *_: None).steps == 4


def test_what_regularisers_add_counts() -> None:
    plain, held = learn(dense()), learn(dense(kernel_regularizer=keras.regularizers.L2(0.5)))
    name = "sequential/dense/kernel"
    assert np.linalg.norm(held[name]) < 0.95 * np.linalg.norm(plain[name])


def test_memory_that_is_not_there_is_no_fault_of_the_model() -> None:
    class Large(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.head = layers.Dense(3)

        def call(self, rows: Any) -> Any:
            return self.head(rows) + tf.reduce_sum(tf.zeros(2**50))

    with pytest.raises(TrainingError) as caught:
        learn(Large)
    assert caught.value.code == "resource.memory"
