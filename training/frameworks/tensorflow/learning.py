"""The steps: batches in a seeded order, a gradient each, what a strategy adds, and the optimizer's move."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from training.frameworks.steps import batches, diverged, scheduled
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
        training: What the plan says.
        recipe: What that means here.
        guidance: What the strategy adds.
    """

    model: keras.Model
    forward: Callable[[tf.Tensor], tf.Tensor]
    inputs: tf.Tensor
    target: tf.Tensor
    training: Training
    recipe: Recipe
    guidance: Guidance

    def learn(self, *, seed: int, cycle: int, report: Report) -> tuple[int, float]:
        """Train; returns how many steps were taken, and their mean learning rate.

        Raises:
            TrainingError: A variable is no longer finite; it is named.
        """
        # For what a model draws without a layer's own generator.
        keras.utils.set_random_seed(derive(seed, "draws", cycle))
        optimizer = self.recipe.begun()
        optimizer.build(self.model.trainable_weights)
        # Autograph would put the site's paths into what errors say.
        step = tf.function(
            self._step(optimizer), autograph=False, input_signature=[tf.TensorSpec([None], tf.int64, "rows")]
        )
        steps, epochs, count, rates = 0, self.training.epochs, self.target.shape[0], list[float]()
        for epoch in range(epochs):
            self._reseed(derive(seed, "epoch", cycle, epoch))
            drawn, total = derive(seed, "order", cycle, epoch), 0.0
            order = list(batches(count, self.recipe.batch_rows, drawn, shuffle=self.training.shuffle))
            for place, batch in enumerate(order):
                rate = scheduled(self.training, cycle, epoch, place / len(order))
                if rate is not None:
                    rates.append(rate)
                    optimizer.learning_rate = rate
                total += float(step(tf.constant(batch, tf.int64))) * len(batch)
                steps += 1
            mean = total / count
            if not math.isfinite(mean):
                self._check_finite(epoch + 1)
            report(epoch + 1, epochs, mean if math.isfinite(mean) else None)
        # An optimizer that averages weights over its steps puts them in place now.
        optimizer.finalize_variable_values(self.model.trainable_weights)
        return steps, math.fsum(rates) / steps if rates else float(optimizer.learning_rate)

    def _step(self, optimizer: keras.optimizers.Optimizer) -> Callable[[tf.Tensor], tf.Tensor]:
        learnt = self.model.trainable_weights
        guide = _Guide(learnt, self.guidance)

        def step(rows: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                given = self.forward(tf.gather(self.inputs, rows))
                loss = self.recipe.loss_of(given, tf.gather(self.target, rows))
                # What regularisers and layers add themselves.
                loss = tf.add_n([loss, *(tf.cast(each, loss.dtype) for each in self.model.losses)])
            gradients = tape.gradient(loss, learnt)
            if self.training.gradient_clip is not None:
                gradients, _ = tf.clip_by_global_norm(gradients, self.training.gradient_clip)
            moved = guide.adjusted(gradients)
            optimizer.apply([gradient for gradient, _ in moved], [variable for _, variable in moved])
            return loss

        return step

    def _reseed(self, seed: int) -> None:
        """Have what layers draw, such as dropout, follow from ``seed``."""
        states = [variable for variable in self.model.variables if variable.name == _SEED_STATE]
        for place, state in enumerate(states):
            state.assign(np.array([derive(seed, place), 0], state.dtype))

    def _check_finite(self, epoch: int) -> None:
        for variable in self.model.weights:
            values = variable.numpy()
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise diverged(variable.path, epoch)


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
