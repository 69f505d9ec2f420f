"""What a plan and a compiled model say about steps, in TensorFlow's terms. Nothing that a plan says is ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras
import tensorflow as tf

from training.errors import model_error
from training.frameworks.steps import (
    BATCH,
    first_rate,
    fits,
    lacking,
    loss_name,
    no_number,
    optimizer_name,
    single_output,
    wrong_output,
)
from training.plan import Training
from training.registry import OwnLoss, Problem

Loss = Callable[[tf.Tensor, tf.Tensor, "tf.Tensor | None"], tf.Tensor]
"""What a model gives for a batch, the target, shape (rows,), and what each row counts, shape (rows,), ``None`` for 1 ->
the mean over rows of weight times loss."""
_Rowwise = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""The same without weights -> the loss of each row, shape (rows,)."""

OPTIMIZERS: Final[dict[str, Any]] = {
    "adadelta": keras.optimizers.Adadelta,
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
    "ftrl": keras.optimizers.Ftrl,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
"""By the plan's names (``training.plan.Optimizer``)."""
_PLAIN: Final = frozenset({"name", "learning_rate", "momentum", "nesterov", "weight_decay", "ema_momentum"})
"""Settings of SGD that leave a step what it is as long as there is no momentum."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        kind: Of the optimizer.
        settings: What it is told, by Keras's names.
        loss_of: What is made small.
        batch_rows: Rows per step.
    """

    kind: Any
    settings: dict[str, Any]
    loss_of: Loss
    batch_rows: int

    @property
    def plain(self) -> bool:
        """Whether a step is the gradient times a constant rate, and nothing else."""
        rate = self.settings.get("learning_rate", 0.0)
        others = {name: value for name, value in self.settings.items() if name not in _PLAIN}
        return (
            self.kind is keras.optimizers.SGD
            and isinstance(rate, int | float)
            and not self.settings.get("momentum")
            and not any(others.values())
        )

    def begun(self) -> keras.optimizers.Optimizer:
        """An optimizer that begins."""
        return self.kind.from_config(dict(self.settings))


def recipe(training: Training, problem: Problem, model: keras.Model, own: OwnLoss | None = None) -> Recipe:
    """What a plan says, checked; what it leaves open is as the model was compiled, if it was.

    Args:
        training: What the plan says.
        problem: What is learnt.
        model: The model.
        own: A loss of the vendor's own.

    Raises:
        TrainingError: It says something that does not fit.
    """
    said = {
        "learning_rate": first_rate(training),
        "momentum": training.momentum,
        "weight_decay": training.weight_decay,
    }
    told = {name: value for name, value in said.items() if value is not None}
    compiled = model.compiled and training.optimizer is None
    kind, settings = _compiled(model) if compiled else _named(training.optimizer or "sgd")
    knows = inspect.signature(kind).parameters.keys() | settings.keys()
    for field in told:
        if field not in knows:
            name = training.optimizer or kind.__name__
            raise lacking(name, field, [n for n, k in OPTIMIZERS.items() if field in inspect.signature(k).parameters])
    return Recipe(kind, {**settings, **told}, _loss(training, problem, model, own), training.batch_size or BATCH)


def _loss(training: Training, problem: Problem, model: keras.Model, own: OwnLoss | None) -> Loss:
    if own is not None:
        return lambda given, target, _: one_number(own(scores(given, problem), target))
    compiled = getattr(model, "loss", None) if model.compiled and training.loss is None else None
    return _of_plan(loss_name(training, problem), problem) if compiled is None else _of_model(compiled, problem)


def one_number(loss: object) -> tf.Tensor:
    """What a vendor's own loss gave.

    Raises:
        TrainingError: That is no number.
    """
    if isinstance(loss, tf.Tensor) and loss.shape.rank == 0 and loss.dtype.is_floating:
        return loss
    raise no_number(f"{loss.dtype.name}{list(loss.shape)}" if isinstance(loss, tf.Tensor) else type(loss).__name__)


def _named(name: str) -> tuple[Any, dict[str, Any]]:
    return OPTIMIZERS[optimizer_name(name, OPTIMIZERS, "tensorflow")], {}


def _compiled(model: keras.Model) -> tuple[Any, dict[str, Any]]:
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        raise model_error(
            "model.estimator", f"{model.name} scales its loss for half precision; expected a policy of full precision"
        )
    return type(model.optimizer), model.optimizer.get_config()


def _of_plan(name: str, problem: Problem) -> Loss:
    def of_rows(given: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        found = scores(given, problem)
        if problem.classes is None:
            return _OF_NUMBERS[name](found, target)
        if len(found.shape) == 1:
            if name != "cross_entropy":
                raise single_output(name)
            return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(target, found.dtype), found)
        return _OF_CLASSES[name](found, target)

    return lambda given, target, weights: _mean(of_rows(given, target), weights)


def _mean(losses: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    return tf.reduce_mean(losses if weights is None else losses * tf.cast(weights, losses.dtype))


def _of_model(own: object, problem: Problem) -> Loss:
    """What the model was compiled with, called as Keras does: classes one-hot unless the loss is a sparse one."""
    if isinstance(own, list | tuple | dict):
        raise model_error("model.estimator", "the model is compiled with several losses; expected one, or none")
    loss = keras.losses.get(own)
    sparse = "sparse" in getattr(loss, "name", getattr(loss, "__name__", ""))

    def of(given: tf.Tensor, target: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
        if problem.classes is not None and len(given.shape) == 2 and given.shape[1] == problem.classes:
            wanted = target if sparse else tf.one_hot(target, problem.classes, dtype=given.dtype)
        else:
            wanted = tf.cast(target, given.dtype)[:, None]
            given = given if len(given.shape) == 2 else given[:, None]
        if isinstance(loss, keras.losses.Loss):
            return tf.reduce_mean(loss(wanted, given, sample_weight=weights))
        found = loss(wanted, given)
        if weights is not None and found.shape.rank != 1:
            raise model_error(
                "plan.training",
                "training.class_weights needs a loss for each row, and the loss that the model is compiled with gives "
                f"one of shape {list(found.shape)} for a batch: leave training.class_weights out, or set training.loss",
            )
        return _mean(found, weights)

    return of


def _cross_entropy(found: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(target, found)


def _multi_margin(found: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean over classes of max(0, 1 - score of the right one + score), the right one left out."""
    classes = found.shape[1]
    right = tf.reduce_sum(found * tf.one_hot(target, classes, dtype=found.dtype), axis=1, keepdims=True)
    margins = tf.reduce_sum(tf.nn.relu(1.0 - right + found), axis=1) - 1.0
    return margins / classes


def _huber(found: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Huber's with delta 1, which is the smooth L1 with beta 1."""
    far = tf.abs(found - target)
    return tf.where(far < 1.0, 0.5 * far * far, far - 0.5)


_OF_CLASSES: Final[dict[str, _Rowwise]] = {"cross_entropy": _cross_entropy, "multi_margin": _multi_margin}
_OF_NUMBERS: Final[dict[str, _Rowwise]] = {
    "mse": lambda found, target: tf.square(found - target),
    "mae": lambda found, target: tf.abs(found - target),
    "huber": _huber,
    "smooth_l1": _huber,
}


def scores(given: tf.Tensor, problem: Problem) -> tf.Tensor:
    """What a model gives, before a softmax or sigmoid at its end; shape (rows, classes) or (rows,).

    Keras leaves the scores on what its softmax and sigmoid make of them, and its own losses go by these too.
    """
    if problem.classes is not None:
        given = getattr(given, "_keras_logits", given)
    wide = len(given.shape) == 2 and given.shape[1] == problem.classes
    return given if wide else tf.reshape(given, [-1])


def shaped(output: Any, rows: int | None, problem: Problem, name: str) -> tf.Tensor:  # noqa: ANN401 - whatever it gives
    """What a model gave for so many rows, or for some if ``None``, as it is.

    Raises:
        TrainingError: It is of another shape or type.
    """
    known = isinstance(output, tf.Tensor) and output.shape.rank is not None
    if known and output.dtype.is_floating and fits(tuple(output.shape), rows, problem):
        return output
    found = f"{output.dtype.name}{list(output.shape)}" if known else type(output).__name__
    raise wrong_output(found, rows, problem, name)
