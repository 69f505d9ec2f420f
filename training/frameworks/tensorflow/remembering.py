"""What an optimizer has come to, as arrays: ``<place>.<path>``, such as ``2.adam/dense_kernel_momentum``.

The learning rate is not among it: it is as this cycle's plan has it. The count of steps is, for schedules of a compiled
model go by it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.guidance import state_error
from training.registry import Parameters


def taken(optimizer: keras.optimizers.Optimizer) -> dict[str, NDArray[Any]]:
    """Copies of all that is remembered; empty if nothing depends on it."""
    found = _variables(optimizer)
    scheduled = not isinstance(optimizer.learning_rate, keras.Variable)
    if not scheduled and all(variable is optimizer.iterations for variable in found.values()):
        return {}
    return {name: np.array(variable.numpy()) for name, variable in found.items()}


def put(optimizer: keras.optimizers.Optimizer, given: Parameters) -> None:
    """Have a fresh, built optimizer remember what was ``taken`` from another one.

    Raises:
        TrainingError: It was taken from another optimizer, in another version, or from one of another model.
    """
    variables = _variables(optimizer)
    if _form(given) != {name: (variable.dtype, tuple(variable.shape)) for name, variable in variables.items()}:
        raise state_error(f"belongs to another optimizer than {optimizer.name}, or to one of a model of another form")
    for name, variable in variables.items():
        variable.assign(given[name])


def _variables(optimizer: keras.optimizers.Optimizer) -> dict[str, keras.Variable]:
    rate = optimizer.learning_rate
    return {f"{place}.{each.path}": each for place, each in enumerate(optimizer.variables) if each is not rate}


def _form(given: Parameters) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (str(np.asarray(each).dtype), np.asarray(each).shape) for name, each in given.items()}
