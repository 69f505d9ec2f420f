"""The steps: a gradient each, what a strategy adds, and the optimizer's move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.frameworks.stepped import walk
from training.frameworks.steps import diverged
from training.frameworks.torch import remembering
from training.frameworks.torch.recipe import Recipe
from training.plan import Training
from training.registry import Guidance, Report


@dataclass(frozen=True)
class Lesson:
    """One edge's training in one cycle.

    Attributes:
        module: What is trained, in place.
        forward: Inputs -> outputs as ``recipe`` wants them.
        inputs: Shape (rows, features).
        target: Shape (rows,).
        weights: What each row counts, shape (rows,); ``None`` for 1.
        training: What the plan says.
        recipe: What that means here.
        guidance: What the strategy adds.
    """

    module: torch.nn.Module
    forward: Callable[[Tensor], Tensor]
    inputs: Tensor
    target: Tensor
    weights: Tensor | None
    training: Training
    recipe: Recipe
    guidance: Guidance

    def learn(self, *, seed: int, cycle: int, report: Report) -> tuple[int, float, dict[str, NDArray[Any]]]:
        """Train; returns how many steps were taken, their mean learning rate, and what is kept of the optimizer.

        Raises:
            TrainingError: A tensor is no longer finite; it is named. Or the optimizer cannot go on from what was kept.
        """
        self.module.train()
        stepper, rows, batch_rows = _Stepper(self), len(self.target), self.recipe.batch_rows
        steps, rate = walk(stepper, rows, batch_rows, self.training, seed=seed, cycle=cycle, report=report)
        return steps, rate, stepper.remembered() if self.training.keeps_optimizer else {}


class _Stepper:
    """See ``training.frameworks.stepped.Stepper``.

    Args:
        lesson: What is learnt.
    """

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._learnt = {name: p for name, p in lesson.module.named_parameters() if p.requires_grad}
        self._optimizer = lesson.recipe.optimizer_for(self._learnt.values())
        if lesson.guidance.optimizer is not None:
            remembering.put(self._optimizer, self._learnt, lesson.recipe, lesson.guidance.optimizer)
        self._guide = _Guide(self._learnt, lesson.guidance)

    def begin_epoch(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def step(self, rows: NDArray[np.intp]) -> float:
        lesson, batch = self._lesson, torch.from_numpy(rows)
        self._optimizer.zero_grad(set_to_none=True)
        weights = None if lesson.weights is None else lesson.weights[batch]
        loss = lesson.recipe.loss_of(lesson.forward(lesson.inputs[batch]), lesson.target[batch], weights)
        loss.backward()  # type: ignore[no-untyped-call]
        if lesson.training.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._learnt.values(), lesson.training.gradient_clip)
        self._guide.adjust()
        self._optimizer.step()
        return loss.item()

    def check_finite(self, epoch: int) -> None:
        for name, tensor in self._lesson.module.state_dict().items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise diverged(name, epoch)

    @property
    def rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    def remembered(self) -> dict[str, NDArray[Any]]:
        """What the optimizer has come to."""
        return remembering.taken(self._optimizer, self._learnt, self._lesson.recipe)


class _Guide:
    """Adds to gradients what a strategy wants.

    Args:
        learnt: Name -> parameter, as received.
        guidance: What it wants.
    """

    def __init__(self, learnt: Mapping[str, Tensor], guidance: Guidance) -> None:
        self._learnt = learnt
        self._proximal = guidance.proximal
        self._received = {name: p.detach().clone() for name, p in learnt.items()} if guidance.proximal else {}
        self._correction = {
            name: _like(learnt[name], each) for name, each in guidance.correction.items() if name in learnt
        }

    def adjust(self) -> None:
        """Change the gradients that a step is about to use."""
        if not self._received and not self._correction:
            return
        for name, parameter in self._learnt.items():
            if parameter.grad is None:
                # The loss does not depend on it; what is added may move it all the same.
                parameter.grad = torch.zeros_like(parameter)
            if name in self._received:
                parameter.grad.add_(parameter.detach() - self._received[name], alpha=self._proximal)
            if name in self._correction:
                parameter.grad.add_(self._correction[name])


def _like(parameter: Tensor, values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.array(values)).to(parameter.dtype).reshape(parameter.shape)
