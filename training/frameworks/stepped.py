"""Models that take their own steps, whatever computes the gradients: the walk through epochs, and arrays in and out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.frameworks.steps import batches, predicted, scheduled
from training.plan import Training
from training.registry import Guidance, Learned, OwnLoss, Parameters, Report, Rows
from training.scores import ClassPrediction
from training.seeds import derive


class Stepper(Protocol):
    """Takes steps on one model."""

    def begin_epoch(self, seed: int) -> None:
        """Have what the model draws itself, such as dropout, follow from ``seed``."""
        ...

    def set_rate(self, rate: float) -> None:
        """Go on with this learning rate."""
        ...

    def step(self, rows: NDArray[np.intp]) -> float:
        """Take a step on these rows; returns the mean loss over them before it."""
        ...

    def check_finite(self, epoch: int) -> None:
        """Look at all tensors.

        Raises:
            TrainingError: One is not finite; it is named.
        """
        ...

    @property
    def rate(self) -> float:
        """The learning rate that it has."""
        ...


def walk(
    stepper: Stepper, rows: int, batch_rows: int, training: Training, *, seed: int, cycle: int, report: Report
) -> tuple[int, float]:
    """Go through the epochs of a cycle; returns how many steps were taken, and their mean learning rate.

    Args:
        stepper: Takes the steps.
        rows: How many there are.
        batch_rows: Rows per step.
        training: What the plan says.
        seed: Decides all that is drawn.
        cycle: From 1.
        report: Told of every epoch.

    Raises:
        TrainingError: A tensor is no longer finite; it is named.
    """
    steps, rates = 0, list[float]()
    for epoch in range(training.epochs):
        stepper.begin_epoch(derive(seed, "epoch", cycle, epoch))
        order = list(batches(rows, batch_rows, derive(seed, "order", cycle, epoch), shuffle=training.shuffle))
        total = 0.0
        for place, batch in enumerate(order):
            rate = scheduled(training, cycle, epoch, place / len(order))
            if rate is not None:
                rates.append(rate)
                stepper.set_rate(rate)
            total += stepper.step(batch) * len(batch)
            steps += 1
        mean = total / rows
        if not math.isfinite(mean):
            stepper.check_finite(epoch + 1)
        report(epoch + 1, training.epochs, mean if math.isfinite(mean) else None)
    return steps, math.fsum(rates) / steps if rates else stepper.rate


class SteppedModel(ABC):
    """What follows of ``guided`` and of what the model gives; see ``training.registry.GuidedModel``."""

    weighs_rows = True
    _own_loss: OwnLoss | None = None

    def use_loss(self, loss: OwnLoss) -> None:
        """See ``training.registry.LossModel``."""
        self._own_loss = loss

    @abstractmethod
    def try_loss(self, rows: int) -> float:
        """See ``training.registry.LossModel``."""

    def initial(self, seed: int) -> Parameters:
        """As the model file made them, under a seed that the plug-in's ``begin`` was told."""
        del seed
        return self._taken()

    def trained(
        self, parameters: Parameters, rows: Rows, training: Training, *, seed: int, cycle: int, report: Report
    ) -> Parameters:
        """See ``TabularModel``."""
        return self.guided(parameters, rows, training, Guidance(), seed=seed, cycle=cycle, report=report).parameters

    @abstractmethod
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

    def classes(self, parameters: Parameters, inputs: NDArray[np.float64]) -> ClassPrediction:
        """See ``TabularModel``."""
        if not len(inputs):
            return ClassPrediction(np.zeros(0, np.int64))
        return predicted(self._outputs(parameters, inputs))

    def values(self, parameters: Parameters, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``TabularModel``."""
        return self._outputs(parameters, inputs) if len(inputs) else np.zeros(0)

    @abstractmethod
    def _outputs(self, parameters: Parameters, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores or numbers for at least one row, float64, shape (rows, classes) or (rows,)."""

    @abstractmethod
    def _taken(self) -> dict[str, NDArray[Any]]:
        """Copies of all parameters, by name."""
