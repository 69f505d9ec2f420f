"""What plug-ins that take their own steps have in common, whatever computes the gradients. Imports no framework."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError, egress_error, model_error
from training.losses import LossFile
from training.plan import Training
from training.registry import Problem, Rows
from training.scores import ClassPrediction

BATCH: Final = 32
"""Rows per step, if neither plan nor model file says."""
OF_CLASSES: Final = ("cross_entropy", "multi_margin")
OF_NUMBERS: Final = ("mse", "mae", "huber", "smooth_l1")
"""Losses by the plan's names (``training.plan.Loss``); the first of each is the one to take if nobody says."""
_BINARY: Final = 2
_FEW: Final = 2
"""Rows that may all be where a loss is flat."""


def batches(count: int, size: int, seed: int, *, shuffle: bool) -> Iterator[NDArray[np.intp]]:
    """Places of rows, in the order of the steps of an epoch.

    A last batch of one row joins the one before: batch normalisation cannot do with one row.

    Args:
        count: How many rows there are.
        size: How many make a step.
        seed: Decides the order.
        shuffle: Whether it is not that of the rows.
    """
    order = np.arange(count)
    if shuffle:
        order = np.random.Generator(np.random.PCG64(seed)).permutation(count)
    cuts = list(range(size, count, size))
    if cuts and size > 1 and count - cuts[-1] == 1:
        cuts.pop()
    yield from np.split(order, cuts)


def scheduled(training: Training, cycle: int, epoch: int, share: float) -> float | None:
    """The learning rate of a step; ``None`` if the plan has no schedule, and it stays what it is.

    Args:
        training: What the plan says.
        cycle: From 1.
        epoch: Of the cycle, from 0.
        share: How much of the epoch is over.
    """
    rate = training.learning_rate
    if rate is None or isinstance(rate, float):
        return None
    return rate.at((cycle - 1) * training.epochs + epoch + share)


def first_rate(training: Training) -> float | None:
    """The learning rate that an optimizer begins with; ``None`` if the plan does not say."""
    rate = training.learning_rate
    return rate if rate is None or isinstance(rate, float) else rate.at(0.0)


def loss_name(training: Training, problem: Problem) -> str:
    """The plan's loss, or the usual one.

    Raises:
        TrainingError: It is for another kind of target.
    """
    fitting = OF_NUMBERS if problem.classes is None else OF_CLASSES
    loss = training.loss or fitting[0]
    if isinstance(loss, LossFile):
        raise model_error("plan.training", f"training.loss: the loss file {loss.name} was not loaded")
    if loss not in fitting:
        what = "a number" if problem.classes is None else "classes"
        raise model_error(
            "plan.training", f"training.loss is {loss}, but the target is {what}: expected one of {', '.join(fitting)}"
        )
    return loss


def optimizer_name(name: str, known: Collection[str], framework: str) -> str:
    """``name``, if the framework has such an optimizer.

    Raises:
        TrainingError: It has not.
    """
    if name not in known:
        raise model_error(
            "plan.training",
            f"{framework} has no optimizer {name}: expected one of {', '.join(sorted(known))} in training.optimizer",
        )
    return name


def lacking(optimizer: str, field: str, able: Collection[str]) -> TrainingError:
    """That an optimizer has no use for what the plan says."""
    return model_error("plan.training", f"the optimizer {optimizer} has no {field}; those that have: {', '.join(able)}")


def single_output(loss: str) -> TrainingError:
    """That a loss wants an output for each class, and there is one."""
    return model_error("plan.training", f"the loss {loss} wants an output for each of two classes; the model gives one")


def made_up(rows: int, problem: Problem) -> Rows:
    """Rows that a loss is tried on: drawn inputs; classes in turn, or numbers."""
    random = np.random.Generator(np.random.PCG64(rows))
    inputs = random.standard_normal((rows, problem.features))
    places = np.arange(rows)
    return Rows(inputs, random.standard_normal(rows) if problem.classes is None else places % problem.classes)


def no_number(found: str) -> TrainingError:
    """That a vendor's own loss gives something else than a number for a batch."""
    return model_error(
        "model.loss",
        f"the loss file's loss(outputs, targets) gives {found} for a batch: expected one number, such as the mean over "
        "the rows",
    )


def check_slope(value: float, slope: NDArray[Any] | None, rows: int) -> None:
    """Check what a vendor's own loss gave for so many rows.

    Args:
        value: The loss.
        slope: Its gradient by the outputs; ``None`` if it does not depend on them.
        rows: How many there are.

    Raises:
        TrainingError: It is not finite, or does not depend on the outputs; for a single row it may be at its least.
    """
    of = f"the loss file's loss(outputs, targets) of {rows} row{'s' if rows > 1 else ''}"
    if not math.isfinite(value):
        raise model_error("model.loss", f"{of} is {value}: expected a finite number for any outputs")
    if slope is None or (rows > _FEW and not slope.any()):
        raise model_error(
            "model.loss", f"{of} does not depend on the outputs: nothing can be learnt; compute it from them alone"
        )
    if not np.isfinite(slope).all():
        raise model_error("model.loss", f"{of} has a gradient that is not finite: nothing can be learnt from that")


def fits(shape: tuple[int | None, ...], rows: int | None, problem: Problem) -> bool:
    """Whether a model's output has a shape that the problem asks for; ``None`` stands for rows not known yet."""
    if problem.classes is not None and shape == (rows, problem.classes):
        return True
    return problem.classes in {None, _BINARY} and shape in {(rows,), (rows, 1)}


def wrong_output(found: str, rows: int | None, problem: Problem, name: str) -> TrainingError:
    """That a model's output for so many rows, or for some if ``None``, is not what the problem asks for."""
    length = "rows" if rows is None else str(rows)
    one = f"[{length}] or [{length}, 1]"
    expected = one
    if problem.classes is not None:
        expected = f"[{length}, {problem.classes}]" + (f", {one}" if problem.classes == _BINARY else "")
    asked = "some rows" if rows is None else f"{rows} rows"
    return model_error(
        "model.output", f"{name} gives {found} for {asked}; expected floating-point numbers of shape {expected}"
    )


def diverged(name: str, epoch: int) -> TrainingError:
    """That a tensor of the model has values that are not finite."""
    return egress_error(
        "weights.finite",
        f"tensor 'model.{name[:80]}' has values that are not finite after epoch {epoch}: lower the learning rate, or "
        "check the features",
    )


def predicted(outputs: NDArray[Any]) -> ClassPrediction:
    """Classes and their probabilities, from scores before a softmax.

    Args:
        outputs: float64, shape (rows, classes), or (rows,) for two classes in one output.
    """
    if outputs.ndim == 1:
        outputs = np.stack([np.zeros_like(outputs), outputs], axis=1)
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return ClassPrediction(outputs.argmax(axis=1), shifted / shifted.sum(axis=1, keepdims=True))
