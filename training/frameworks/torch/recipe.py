"""What a plan says about steps, in PyTorch's terms. Nothing that it says is ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

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

Loss = Callable[..., Tensor]
"""Outputs, targets and ``reduction``."""

OPTIMIZERS: Final[dict[str, Any]] = {
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
"""By the plan's names (``training.plan.Optimizer``)."""
_LOSSES: Final[dict[str, Loss]] = {
    "cross_entropy": functional.cross_entropy,
    "multi_margin": functional.multi_margin_loss,
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
    "smooth_l1": functional.smooth_l1_loss,
}


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        optimizer: Name.
        settings: What the optimizer is told, by PyTorch's names.
        loss: Name, or a loss of the vendor's own.
        batch_rows: Rows per step.
    """

    optimizer: str
    settings: dict[str, float]
    loss: str | OwnLoss
    batch_rows: int

    def optimizer_for(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """An optimizer that begins."""
        made: torch.optim.Optimizer = OPTIMIZERS[self.optimizer](list(parameters), **self.settings)
        return made

    def loss_of(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """The loss of a batch: the mean over rows of weight times loss.

        Args:
            output: Shape (rows, classes), or (rows,) for numbers and for two classes in one output.
            target: Codes or numbers, shape (rows,).
            weights: What each row counts, shape (rows,); ``None`` for 1.

        Raises:
            TrainingError: The loss wants an output for each class, and there is one; or it gives no number.
        """
        if not isinstance(self.loss, str):
            return one_number(self.loss(output, target))
        if weights is not None:
            return (weights * self._loss(output, target, "none")).mean()
        return self._loss(output, target, "mean")

    def _loss(self, output: Tensor, target: Tensor, reduction: str) -> Tensor:
        assert isinstance(self.loss, str)
        if output.ndim == 1 and not target.is_floating_point():
            if self.loss != "cross_entropy":
                raise single_output(self.loss)
            wanted = target.to(output.dtype)
            return functional.binary_cross_entropy_with_logits(output, wanted, reduction=reduction)
        return _LOSSES[self.loss](output, target, reduction=reduction)


def recipe(training: Training, problem: Problem, own: OwnLoss | None = None) -> Recipe:
    """What a plan says, checked and with what it leaves out; ``own`` is a loss of the vendor's own.

    Raises:
        TrainingError: It says something that does not fit.
    """
    name = optimizer_name(training.optimizer or "sgd", OPTIMIZERS, "torch")
    knows = inspect.signature(OPTIMIZERS[name]).parameters
    settings = {"lr": first_rate(training), "momentum": training.momentum, "weight_decay": training.weight_decay}
    told = {key: value for key, value in settings.items() if value is not None}
    for key in told:
        if key not in knows:
            raise lacking(name, key, [n for n, kind in OPTIMIZERS.items() if key in inspect.signature(kind).parameters])
    return Recipe(name, told, own or loss_name(training, problem), training.batch_size or BATCH)


def one_number(loss: object) -> Tensor:
    """What a vendor's own loss gave.

    Raises:
        TrainingError: That is no number.
    """
    if isinstance(loss, Tensor) and loss.ndim == 0 and loss.is_floating_point():
        return loss
    raise no_number(f"{loss.dtype}{list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__)


def shaped(output: object, rows: int, problem: Problem, name: str) -> Tensor:
    """What a module gave for so many rows, as ``Recipe.loss_of`` wants it.

    Raises:
        TrainingError: It is of another shape or type.
    """
    if isinstance(output, Tensor) and output.is_floating_point() and fits(tuple(output.shape), rows, problem):
        return output if output.shape == (rows, problem.classes) else output.reshape(rows)
    found = f"{output.dtype}{list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
    raise wrong_output(found, rows, problem, name)
