"""What an optimizer has come to, as arrays: ``<optimizer>.<what>.<parameter>``, such as ``adam.exp_avg.0.weight``.

What a plan says about the optimizer is not among it: rates and the like are as this cycle's plan has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.frameworks.torch.recipe import Recipe
from training.guidance import state_error
from training.registry import Parameters

Learnt = Mapping[str, Tensor]
"""Name -> parameter that the optimizer moves."""


def taken(optimizer: torch.optim.Optimizer, learnt: Learnt, recipe: Recipe) -> dict[str, NDArray[Any]]:
    """Copies of all that is remembered; empty if that is nothing."""
    return {
        f"{recipe.optimizer}.{what}.{name}": value.detach().numpy().copy()
        for name, parameter in learnt.items()
        for what, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def put(optimizer: torch.optim.Optimizer, learnt: Learnt, recipe: Recipe, given: Parameters) -> None:
    """Have a fresh optimizer remember what was ``taken`` from another one.

    A parameter that was never moved, since the loss did not depend on it, is not among it, and begins anew.

    Raises:
        TrainingError: It was taken from another optimizer, in another version, or from one of another model.
    """
    remembered: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for whole, values in given.items():
        kind, _, rest = whole.partition(".")
        what, _, name = rest.partition(".")
        tensor = torch.from_numpy(np.array(values))
        if kind != recipe.optimizer:
            raise state_error(f"is that of the optimizer {kind[:40]!r}, and the plan says {recipe.optimizer}")
        if name not in learnt or tensor.shape not in {torch.Size(), learnt[name].shape}:
            raise state_error("belongs to an optimizer of a model of another form")
        remembered[name][what] = tensor
    expected = _remembers(recipe)
    for name, each in remembered.items():
        if each.keys() != expected:
            raise state_error(f"belongs to another version of the optimizer {recipe.optimizer}")
        optimizer.state[learnt[name]].update(each)


def _remembers(recipe: Recipe) -> set[str]:
    """What such an optimizer remembers of a parameter that it has moved."""
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    optimizer = recipe.optimizer_for([parameter])
    optimizer.step()
    return {what for what, value in optimizer.state[parameter].items() if isinstance(value, Tensor)}
