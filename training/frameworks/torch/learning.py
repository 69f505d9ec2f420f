"""The steps: batches in a seeded order, a gradient each, what a strategy adds, and the optimizer's move."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.frameworks.steps import batches, diverged, scheduled
from training.frameworks.torch.recipe import Recipe
from training.plan import Training
from training.registry import Guidance, Report
from training.seeds import derive


@dataclass(frozen=True)
class Lesson:
    """One edge's training in one cycle.

    Attributes:
        module: What is trained, in place.
        forward: Inputs -> outputs as ``recipe`` wants them.
        inputs: Shape (rows, features).
        target: Shape (rows,).
        training: What the plan says.
        recipe: What that means here.
        guidance: What the strategy adds.
    """

    module: torch.nn.Module
    forward: Callable[[Tensor], Tensor]
    inputs: Tensor
    target: Tensor
    training: Training
    recipe: Recipe
    guidance: Guidance

    def learn(self, *, seed: int, cycle: int, report: Report) -> tuple[int, float]:
        """Train; returns how many steps were taken, and their mean learning rate.

        Raises:
            TrainingError: A tensor is no longer finite; it is named.
        """
        learnt = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        optimizer = self.recipe.optimizer_for(learnt.values())
        guide = _Guide(learnt, self.guidance)
        steps, epochs, rates = 0, self.training.epochs, list[float]()
        self.module.train()
        for epoch in range(epochs):
            # For what modules draw themselves, such as dropout.
            torch.manual_seed(derive(seed, "epoch", cycle, epoch))
            total = 0.0
            order = list(self._batches(derive(seed, "order", cycle, epoch)))
            for place, batch in enumerate(order):
                rate = scheduled(self.training, cycle, epoch, place / len(order))
                if rate is not None:
                    rates.append(rate)
                    for group in optimizer.param_groups:
                        group["lr"] = rate
                optimizer.zero_grad(set_to_none=True)
                loss = self.recipe.loss_of(self.forward(self.inputs[batch]), self.target[batch])
                loss.backward()  # type: ignore[no-untyped-call]
                if self.training.gradient_clip is not None:
                    torch.nn.utils.clip_grad_norm_(learnt.values(), self.training.gradient_clip)
                guide.adjust()
                optimizer.step()
                total += loss.item() * len(batch)
                steps += 1
            mean = total / len(self.target)
            if not math.isfinite(mean):
                self._check_finite(epoch + 1)
            report(epoch + 1, epochs, mean if math.isfinite(mean) else None)
        return steps, math.fsum(rates) / steps if rates else float(optimizer.param_groups[0]["lr"])

    def _batches(self, seed: int) -> Iterator[Tensor]:
        rows = batches(len(self.target), self.recipe.batch_rows, seed, shuffle=self.training.shuffle)
        yield from map(torch.from_numpy, rows)

    def _check_finite(self, epoch: int) -> None:
        for name, tensor in self.module.state_dict().items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise diverged(name, epoch)


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
