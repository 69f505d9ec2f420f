"""A Keras model as the worker handles it: arrays in, arrays out."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.errors import Category, TrainingError, described, model_error
from training.frameworks.stepped import SteppedModel
from training.frameworks.steps import check_slope, made_up
from training.frameworks.tensorflow.learning import Lesson
from training.frameworks.tensorflow.recipe import one_number, recipe, scores, shaped
from training.plan import Training
from training.registry import Guidance, Learned, LossModel, Parameters, Problem, Report, Rows

_TYPES: Final = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
"""What can be averaged, or kept."""
_ROWS_AT_ONCE: Final = 4096
_TRIED: Final = 2
"""Rows that a model is tried on."""
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


def begin(seed: int) -> None:
    """See ``training.registry.Plugin``: one thread, deterministic kernels, and a seed for what models draw."""
    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    # Variables are named by what was made before them.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)


def tabular(made: object, problem: Problem) -> LossModel:
    """See ``training.registry.Plugin``."""
    if not isinstance(made, keras.Model):
        raise model_error(
            "model.estimator",
            f"{type(made).__name__} cannot be trained with tensorflow; expected a keras.Model of Keras 3",
        )
    return KerasModel(made, problem)


class KerasModel(SteppedModel):
    """See ``training.registry.LossModel``.

    Args:
        model: As the vendor made it, with the parameters to begin with.
        problem: What is learnt.

    Raises:
        TrainingError: It has nothing to learn, variables that cannot be averaged or told apart, or gives what the
            problem has no use for.
    """

    def __init__(self, model: keras.Model, problem: Problem) -> None:
        self.name = type(model).__name__
        self._model = model
        self._problem = problem
        with _blamed():
            self._settle()
        for variable in model.weights:
            if variable.dtype not in _TYPES:
                raise model_error(
                    "model.estimator",
                    f"{self.name} keeps {variable.path!r} as {variable.dtype}; expected one of {', '.join(_TYPES)}",
                )
        learnt = [v.dtype for v in model.trainable_weights if v.dtype.startswith("float")]
        if not learnt:
            raise model_error("model.estimator", f"{self.name} has no variable that can be learnt")
        self._type = learnt[0]
        for path, count in Counter(variable.path for variable in model.weights).items():
            if count > 1:
                raise model_error(
                    "model.estimator",
                    f"{self.name} has {count} variables called {path!r}: give each layer a name of its own",
                )

    @property
    def learnt(self) -> frozenset[str]:
        """See ``GuidedModel``."""
        return frozenset(variable.path for variable in self._model.trainable_weights)

    @property
    def learnt_numbers(self) -> int:
        """How many numbers are learnt, told without a copy of them."""
        return sum(math.prod(variable.shape) for variable in self._model.trainable_weights)

    def freeze(self, names: frozenset[str]) -> None:
        """See ``FreezableModel``."""
        for variable in self._model.trainable_weights:
            if variable.path in names:
                variable.trainable = False

    def guided(
        self,
        parameters: Parameters,
        rows: Rows,
        training: Training,
        guidance: Guidance,
        *,
        seed: int,
        cycle: int,
        report: Report,
    ) -> Learned:
        """See ``GuidedModel``."""
        with _blamed():
            whole = recipe(training, self._problem, self._model, self._own_loss)
            if guidance.correction and not whole.plain:
                raise model_error(
                    "plan.training",
                    f"the strategy corrects steps of plain SGD, and {self.name} is compiled with another optimizer: "
                    "set training.optimizer to sgd",
                )
            self._place(parameters)
            kind = self._type if self._problem.classes is None else "int64"
            inputs, target = _tensor(rows.inputs, self._type), _tensor(rows.target, kind)
            weights = None if rows.weights is None else _tensor(rows.weights, self._type)
            lesson = Lesson(self._model, self._given, inputs, target, weights, training, whole, guidance)
            steps, step_size, optimizer = lesson.learn(seed=seed, cycle=cycle, report=report)
        return Learned(self._taken(), steps, step_size, optimizer)

    def try_loss(self, rows: int) -> float:
        """See ``training.registry.LossModel``."""
        assert self._own_loss is not None
        given = made_up(rows, self._problem)
        with _blamed():
            outputs = scores(self._predicted(_tensor(given.inputs, self._type)), self._problem)
            target = _tensor(given.target, self._type if self._problem.classes is None else "int64")
            with tf.GradientTape() as tape:
                tape.watch(outputs)
                loss = one_number(self._own_loss(outputs, target))
            slope = tape.gradient(loss, outputs)
            check_slope(float(loss), None if slope is None else tf.convert_to_tensor(slope).numpy(), rows)
            return float(loss)

    def _outputs(self, parameters: Parameters, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores or numbers, float64, shape (rows, classes) or (rows,)."""
        with _blamed():
            self._place(parameters)
            parts = [
                scores(self._predicted(_tensor(inputs[start : start + _ROWS_AT_ONCE], self._type)), self._problem)
                for start in range(0, len(inputs), _ROWS_AT_ONCE)
            ]
            return np.concatenate([part.numpy().astype(np.float64) for part in parts])

    def _given(self, inputs: tf.Tensor) -> tf.Tensor:
        """What the model gives in a step."""
        return shaped(self._model(inputs, training=True), inputs.shape[0], self._problem, self.name)

    def _predicted(self, inputs: tf.Tensor) -> tf.Tensor:
        return shaped(self._model(inputs, training=False), len(inputs), self._problem, self.name)

    def _settle(self) -> None:
        """Have layers find out their shapes without touching what they count, and look at what the model gives.

        Raises:
            TrainingError: Probabilities that do not show the scores they were made of.
        """
        given = self._predicted(tf.zeros((_TRIED, self._problem.features), keras.config.floatx()))
        found = scores(given, self._problem).numpy()
        if found.ndim == _TRIED and (found >= 0).all() and np.allclose(found.sum(axis=1), 1, atol=1e-3):
            raise model_error(
                "model.output",
                f"{self.name} seems to end in a softmax that is not one of Keras: leave it out, or say "
                "activation='softmax' in the last layer",
            )

    def _place(self, parameters: Parameters) -> None:
        variables = {variable.path: variable for variable in self._model.weights}
        if variables.keys() != parameters.keys():
            odd = ", ".join(sorted(variables.keys() ^ parameters.keys())[:3])
            raise model_error("model.training", f"the weights are of another model than {self.name}: see {odd}")
        for path, variable in variables.items():
            variable.assign(parameters[path])

    def _taken(self) -> dict[str, NDArray[Any]]:
        return {variable.path: variable.numpy().copy() for variable in self._model.weights}


def _tensor(values: NDArray[Any], kind: str) -> tf.Tensor:
    with np.errstate(over="ignore"):
        # What is too large becomes infinite, as anywhere else; what comes of it is found.
        return tf.constant(np.asarray(values).astype(kind))


@contextmanager
def _blamed() -> Iterator[None]:
    """What TensorFlow and Keras object to is the model's fault, but for memory."""
    try:
        yield
    except TrainingError:
        raise
    except tf.errors.ResourceExhaustedError as error:
        message = "TensorFlow ran out of the worker's memory limit"
        raise TrainingError(Category.RESOURCE, "resource.memory", message) from error
    except (tf.errors.OpError, RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        said = _COLOURS.sub("", described(error))
        raise model_error("model.training", f"TensorFlow refuses to train this model: {said}") from error
