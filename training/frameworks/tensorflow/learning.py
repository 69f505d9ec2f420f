"""The steps: a gradient each, what a strategy adds, and the optimizer's move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.frameworks.stepped import walk
from training.frameworks.steps import diverged
from training.frameworks.tensorflow import remembering
from training.frameworks.tensorflow.recipe import Recipe
from training.plan import Training
from training.registry import Guidance, Report
from training.seeds import derive

_SEED_STATE = "seed_generator_state"
"""How Keras calls the state of what its layers draw from."""


@dataclass(frozen=True)
class Lesson:
    """One edge's training in one cycle.

    Attributes:
        model: What is trained, in place.
        forward: Inputs -> outputs, checked.
        inputs: Shape (rows, features).
        target: Shape (rows,).
        weights: What each row counts, shape (rows,); ``None`` for 1.
        training: What the plan says.
        recipe: What that means here.
        guidance: What the strategy adds.
    """

    model: keras.Model
    forward: Callable[[tf.Tensor], tf.Tensor]
    inputs: tf.Tensor
    target: tf.Tensor
    weights: tf.Tensor | None
    training: Training
    recipe: Recipe
    guidance: Guidance

    def learn(self, *, seed: int, cycle: int, report: Report) -> tuple[int, float, dict[str, NDArray[Any]]]:
        """Train; returns how many steps were taken, their mean learning rate, and what is kept of the optimizer.

        Raises:
            TrainingError: A variable is no longer finite; it is named. Or the optimizer cannot go on from what was
                kept.
        """
        # For what a model draws without a layer's own generator.
        keras.utils.set_random_seed(derive(seed, "draws", cycle))
        stepper, rows, batch_rows = _Stepper(self), self.target.shape[0], self.recipe.batch_rows
        steps, rate = walk(stepper, rows, batch_rows, self.training, seed=seed, cycle=cycle, report=report)
        stepper.finish()
        return steps, rate, stepper.remembered() if self.training.keeps_optimizer else {}


class _Stepper:
    """See ``training.frameworks.stepped.Stepper``.

    Args:
        lesson: What is learnt.
    """

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._learnt = lesson.model.trainable_weights
        self._guide = _Guide(self._learnt, lesson.guidance)
        self._optimizer = lesson.recipe.begun()
        self._optimizer.build(self._learnt)
        if lesson.guidance.optimizer is not None:
            remembering.put(self._optimizer, lesson.guidance.optimizer)
        # Autograph would put the site's paths into what errors say.
        self._compiled = tf.function(
            self._move, autograph=False, input_signature=[tf.TensorSpec([None], tf.int64, "rows")]
        )

    def begin_epoch(self, seed: int) -> None:
        states = [variable for variable in self._lesson.model.variables if variable.name == _SEED_STATE]
        for place, state in enumerate(states):
            state.assign(np.array([derive(seed, place), 0], state.dtype))

    def set_rate(self, rate: float) -> None:
        self._optimizer.learning_rate = rate

    def step(self, rows: NDArray[np.intp]) -> float:
        return float(self._compiled(tf.constant(rows, tf.int64)))

    def check_finite(self, epoch: int) -> None:
        for variable in self._lesson.model.weights:
            values = variable.numpy()
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise diverged(variable.path, epoch)

    @property
    def rate(self) -> float:
        return float(self._optimizer.learning_rate)

    def remembered(self) -> dict[str, NDArray[Any]]:
        """What the optimizer has come to."""
        return remembering.taken(self._optimizer)

    def finish(self) -> None:
        """Have an optimizer that averages weights over its steps put them in place."""
        self._optimizer.finalize_variable_values(self._learnt)

    def _move(self, rows: tf.Tensor) -> tf.Tensor:
        lesson = self._lesson
        with tf.GradientTape() as tape:
            given = lesson.forward(tf.gather(lesson.inputs, rows))
            weights = None if lesson.weights is None else tf.gather(lesson.weights, rows)
            loss = lesson.recipe.loss_of(given, tf.gather(lesson.target, rows), weights)
            # What regularisers and layers add themselves.
            loss = tf.add_n([loss, *(tf.cast(each, loss.dtype) for each in lesson.model.losses)])
        gradients = tape.gradient(loss, self._learnt)
        if lesson.training.gradient_clip is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, lesson.training.gradient_clip)
        moved = self._guide.adjusted(gradients)
        self._optimizer.apply([gradient for gradient, _ in moved], [variable for _, variable in moved])
        return loss


class _Guide:
    """Adds to gradients what a strategy wants.

    Args:
        learnt: Variables, as received.
        guidance: What it wants.
    """

    def __init__(self, learnt: Sequence[keras.Variable], guidance: Guidance) -> None:
        self._learnt = learnt
        self._proximal = guidance.proximal
        self._received = {each.path: tf.identity(each.value) for each in learnt} if guidance.proximal else {}
        self._correction = {
            each.path: tf.reshape(tf.constant(np.asarray(guidance.correction[each.path]), each.dtype), each.shape)
            for each in learnt
            if each.path in guidance.correction
        }

    def adjusted(self, gradients: Sequence[tf.Tensor | None]) -> list[tuple[tf.Tensor, keras.Variable]]:
        """The gradients that a step is to use, each with its variable; what nothing moves is left out."""
        found = []
        for gradient, variable in zip(gradients, self._learnt, strict=True):
            added = []
            if variable.path in self._received:
                added.append(self._proximal * (variable.value - self._received[variable.path]))
            if variable.path in self._correction:
                added.append(self._correction[variable.path])
            if added:
                # The loss may not depend on it; what is added moves it all the same.
                gradient = tf.add_n([*([] if gradient is None else [tf.convert_to_tensor(gradient)]), *added])
            if gradient is not None:
                found.append((gradient, variable))
        return found
