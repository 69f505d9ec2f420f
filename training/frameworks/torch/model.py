"""A module as the worker handles it: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.errors import Category, TrainingError, described, model_error
from training.frameworks.stepped import SteppedModel
from training.frameworks.steps import check_slope, made_up
from training.frameworks.torch.learning import Lesson
from training.frameworks.torch.recipe import one_number, recipe, shaped
from training.plan import Training
from training.registry import Guidance, Learned, LossModel, Parameters, Problem, Report, Rows

_TYPES: Final = (
    *(torch.float64, torch.float32, torch.float16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)
"""What can be averaged, or kept."""
_ROWS_AT_ONCE: Final = 4096


def begin(seed: int) -> None:
    """See ``training.registry.Plugin``: one thread, deterministic algorithms, and a seed for what modules draw."""
    torch.set_num_threads(1)
    if torch.get_num_interop_threads() != 1:
        # Can be set once in the life of a process.
        torch.set_num_interop_threads(1)
    # As use_deterministic_algorithms, without loading PyTorch's compiler: 0.8 s that only training has to pay.
    torch.set_deterministic_debug_mode("error")
    torch.manual_seed(seed)


def tabular(made: object, problem: Problem) -> LossModel:
    """See ``training.registry.Plugin``."""
    if not isinstance(made, torch.nn.Module):
        raise model_error(
            "model.estimator", f"{type(made).__name__} cannot be trained with torch; expected a torch.nn.Module"
        )
    return ModuleModel(made, problem)


class ModuleModel(SteppedModel):
    """See ``training.registry.LossModel``.

    Args:
        module: As the vendor made it, with the parameters to begin with.
        problem: What is learnt.

    Raises:
        TrainingError: It has nothing to learn, or tensors that cannot be averaged.
    """

    def __init__(self, module: torch.nn.Module, problem: Problem) -> None:
        self.name = type(module).__name__
        self._module = module
        self._problem = problem
        with _blamed():
            self._settle()
        floating = [p.dtype for p in module.parameters() if p.requires_grad and p.is_floating_point()]
        if not floating:
            raise model_error("model.estimator", f"{self.name} has no parameter that can be learnt")
        self._type = floating[0]
        for name, tensor in module.state_dict().items():
            if not isinstance(tensor, Tensor) or tensor.dtype not in _TYPES:
                what = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                known = ", ".join(map(str, _TYPES))
                raise model_error("model.estimator", f"{self.name} keeps {name!r} as {what}; expected one of {known}")

    @property
    def learnt(self) -> frozenset[str]:
        """See ``GuidedModel``. A tensor that has two names is learnt under both."""
        named = self._module.named_parameters(remove_duplicate=False)
        return frozenset(name for name, parameter in named if parameter.requires_grad)

    def freeze(self, names: frozenset[str]) -> None:
        """See ``FreezableModel``."""
        for name, parameter in self._module.named_parameters(remove_duplicate=False):
            if name in names:
                parameter.requires_grad = False

    @property
    def learnt_numbers(self) -> int:
        """How many numbers are learnt, told without a copy of them."""
        return sum(parameter.numel() for parameter in self._module.parameters() if parameter.requires_grad)

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
        whole = recipe(training, self._problem, self._own_loss)
        with _blamed():
            self._place(parameters)
            codes = self._problem.classes is not None
            target = torch.from_numpy(np.array(rows.target)).to(torch.int64 if codes else self._type)
            inputs = torch.from_numpy(np.array(rows.inputs)).to(self._type)
            weights = None if rows.weights is None else torch.from_numpy(np.array(rows.weights)).to(self._type)
            lesson = Lesson(self._module, self._forward, inputs, target, weights, training, whole, guidance)
            steps, step_size, optimizer = lesson.learn(seed=seed, cycle=cycle, report=report)
        return Learned(self._taken(), steps, step_size, optimizer)

    def try_loss(self, rows: int) -> float:
        """See ``training.registry.LossModel``."""
        assert self._own_loss is not None
        given, codes = made_up(rows, self._problem), self._problem.classes is not None
        with _blamed():
            self._module.eval()
            with torch.no_grad():
                outputs = self._forward(torch.from_numpy(given.inputs).to(self._type))
            outputs.requires_grad_()
            target = torch.from_numpy(given.target).to(torch.int64 if codes else self._type)
            loss = one_number(self._own_loss(outputs, target))
            (slope,) = torch.autograd.grad(loss, outputs, allow_unused=True) if loss.requires_grad else (None,)
            check_slope(loss.item(), None if slope is None else slope.numpy(), rows)
            return loss.item()

    def _outputs(self, parameters: Parameters, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the module gives, float64, shape (rows, classes) or (rows,)."""
        with _blamed(), torch.no_grad():
            self._place(parameters)
            self._module.eval()
            parts = torch.split(torch.from_numpy(np.array(inputs)).to(self._type), _ROWS_AT_ONCE)
            whole = torch.cat([self._forward(part) for part in parts])
            found: NDArray[np.float64] = whole.to(torch.float64).numpy()
            return found

    def _forward(self, inputs: Tensor) -> Tensor:
        return shaped(self._module(inputs), len(inputs), self._problem, self.name)

    def _settle(self) -> None:
        """Have lazy layers find out their shapes, without touching what they count."""
        if any(torch.nn.parameter.is_lazy(each) for each in self._module.parameters()):
            self._module.eval()
            with torch.no_grad():
                self._module(torch.zeros(1, self._problem.features))

    def _place(self, parameters: Parameters) -> None:
        tensors = {name: torch.from_numpy(np.array(values)) for name, values in parameters.items()}
        self._module.load_state_dict(tensors, strict=True)

    def _taken(self) -> dict[str, NDArray[Any]]:
        return {name: tensor.detach().numpy().copy() for name, tensor in self._module.state_dict().items()}


@contextmanager
def _blamed() -> Iterator[None]:
    """What PyTorch objects to is the model's fault, but for memory."""
    try:
        yield
    except TrainingError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        if "allocate memory" in str(error):
            message = "PyTorch ran out of the worker's memory limit"
            raise TrainingError(Category.RESOURCE, "resource.memory", message) from error
        raise model_error("model.training", f"PyTorch refuses to train this model: {described(error)}") from error
