"""What this installation can train: frameworks and task categories, as records that are looked up by name.

A third party adds a framework with an entry point in the group ``muster.frameworks`` that names a ``Framework``.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Final, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from training.errors import Category as Blame
from training.errors import TrainingError, described, model_error
from training.plan import Training
from training.scores import ClassPrediction
from training.suggestions import known_or_nearest
from training.weights import MEAN

GROUP: Final = "muster.frameworks"

Report = Callable[[int, int, float | None], None]
"""Told how many of how many steps are done, and the loss if there is one."""
Parameters = Mapping[str, NDArray[Any]]
"""A model's tensors by name."""


@dataclass(frozen=True)
class Problem:
    """The shape of what is learnt.

    Attributes:
        features: Number of input columns.
        classes: Number of classes; ``None`` for a number.
    """

    features: int
    classes: int | None

    @property
    def outputs(self) -> int:
        """Numbers that a model gives for a row: one for each class, or one."""
        return 1 if self.classes is None else self.classes


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    Attributes:
        inputs: float64, shape (rows, features), standardised.
        target: int64 codes or float64 standardised values, shape (rows,).
        weights: What each row counts, float64, shape (rows,); ``None`` if all count the same. See
            ``training.weighting``.
    """

    inputs: NDArray[np.float64]
    target: NDArray[Any]
    weights: NDArray[np.float64] | None = None


class TabularModel(Protocol):
    """One vendor's model as a framework plug-in handles it.

    It may have an attribute ``reductions``: parameter -> how it is combined, if not as its framework says. What is
    ``union`` has members: ``trained`` then returns the new ones alone, and they are added to those that are there.
    And one ``model_types``: what a header may call it; one ``learnt_numbers``: how many numbers are learnt, if that
    can be told without making them; and one ``weighs_rows``: whether it goes by the weights of ``Rows``. One that does
    not is never given any.
    """

    name: str
    """Of the model's class."""

    def initial(self, seed: int) -> Parameters:
        """The parameters to begin with."""
        ...

    def trained(
        self, parameters: Parameters, rows: Rows, training: Training, *, seed: int, cycle: int, report: Report
    ) -> Parameters:
        """The parameters after training on ``rows``."""
        ...

    def classes(self, parameters: Parameters, inputs: NDArray[np.float64]) -> ClassPrediction:
        """Predicted classes."""
        ...

    def values(self, parameters: Parameters, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predicted numbers, shape (rows,)."""
        ...


@dataclass(frozen=True)
class Guidance:
    """What goes into an edge's training besides rows and plan: what a strategy adds to every step, and what was kept.

    The gradient g of the loss at w becomes ``g + proximal (w - x) + correction``, x being the received parameters.

    Attributes:
        proximal: mu of the proximal term mu / 2 |w - x|^2.
        correction: Parameter -> what is added, of its shape; empty for nothing.
        optimizer: What ``Learned.optimizer`` was after an earlier training, to go on from; ``None`` to begin anew.
    """

    proximal: float = 0.0
    correction: Parameters = field(default_factory=dict)
    optimizer: Parameters | None = None


@dataclass(frozen=True)
class Learned:
    """What came of guided training.

    Attributes:
        parameters: All of the model's.
        steps: How many steps the optimizer took.
        step_size: Their mean learning rate.
        optimizer: What the optimizer has come to, if the plan keeps that: arrays by names that tell which optimizer it
            is; empty if there is nothing that could be kept.
    """

    parameters: Parameters
    steps: int
    step_size: float
    optimizer: Parameters = field(default_factory=dict)


@runtime_checkable
class GuidedModel(TabularModel, Protocol):
    """A model of a framework that can do an edge's part of strategies that change how edges train."""

    @property
    def learnt(self) -> frozenset[str]:
        """Which of the parameters the optimizer moves; the others are counted or fixed."""
        ...

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
        """As ``trained``, with what a strategy adds.

        Raises:
            TrainingError: ``worker.state`` if what the optimizer is to go on from is that of another one.
        """
        ...


@runtime_checkable
class FreezableModel(GuidedModel, Protocol):
    """A model of a framework that can keep some of its parameters as they are."""

    def freeze(self, names: frozenset[str]) -> None:
        """Take ``names`` from ``learnt``, for good."""
        ...


OwnLoss = Callable[[Any, Any], Any]
"""A vendor's own loss: outputs and targets of a batch, in the framework's terms -> one number to be made small."""


@runtime_checkable
class LossModel(FreezableModel, Protocol):
    """A model of a framework that can make a vendor's own loss small.

    Outputs are scores before a softmax, shape (rows, classes), or (rows,) for two classes in one output and for a
    number; targets are codes or standardised numbers, shape (rows,).
    """

    def use_loss(self, loss: OwnLoss) -> None:
        """Make ``loss`` small from now on, whatever else the model has."""
        ...

    def try_loss(self, rows: int) -> float:
        """The loss of what the model makes of so many made-up rows.

        Raises:
            TrainingError: ``model.loss`` if it is not one finite number, or does not depend on the outputs.
        """
        ...


class Plugin(Protocol):
    """What the module of a framework offers."""

    def begin(self, seed: int) -> None:
        """Fix all that chance and the order of sums depend on. Called once, before the model file runs."""
        ...

    def tabular(self, made: object, problem: Problem) -> TabularModel:
        """Handle what the vendor's file made.

        Raises:
            TrainingError: It is nothing that this framework can train here.
        """
        ...


@dataclass(frozen=True)
class Framework:
    """A framework plug-in.

    Attributes:
        name: As model files declare it.
        module: Where the plug-in is; imported only by workers.
        needs: Package that has to be installed.
        categories: Task categories that it can train.
        install: How to install what it needs.
        reduction: How updates of its parameters are combined; those that are not learnt, see ``GuidedModel``, are
            averaged apart from what the strategy does.
    """

    name: str
    module: str
    needs: str
    categories: frozenset[str]
    install: str
    reduction: str = MEAN
    least_bytes: int = 0
    """Address space without which it aborts in mid-load, or hangs, and says nothing."""

    @property
    def installed(self) -> bool:
        """Whether it can be used here."""
        return find_spec(self.needs) is not None

    def load(self) -> Plugin:
        """The plug-in.

        Raises:
            TrainingError: What it needs is not installed here, or does not fit into the memory limit.
        """
        if not self.installed:
            raise TrainingError(Blame.INFRA, "framework.missing", f"{self.name} is not installed here: {self.install}")
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY and limit < self.least_bytes:
            raise TrainingError(
                Blame.RESOURCE,
                "framework.load",
                f"{self.name} takes {self.least_bytes} bytes of memory to load, and the limit is {limit}: raise "
                "limits.memory_bytes",
            )
        try:
            return cast("Plugin", import_module(self.module))
        except (ImportError, MemoryError, OSError) as error:
            raise TrainingError(
                Blame.RESOURCE,
                "framework.load",
                f"{self.name} is installed here and cannot be loaded ({described(error)}): raise limits.memory_bytes, "
                f"or install it anew with {self.install}",
            ) from error


@dataclass(frozen=True)
class Registry:
    """Everything that can be trained."""

    frameworks: Mapping[str, Framework] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    """Task category -> module that handles it."""

    def framework(self, name: str, category: str) -> Framework:
        """The framework ``name``, if it can train ``category``.

        Raises:
            TrainingError: It is unknown or cannot.
        """
        found = self.frameworks.get(name)
        if found is None:
            raise model_error(
                "model.contract", f"the framework {name!r} is not known; {known_or_nearest(name, self.frameworks)}"
            )
        if category not in found.categories:
            raise model_error(
                "model.contract",
                f"{name} cannot train {category!r}; {known_or_nearest(category, found.categories)}",
            )
        return found


_TABULAR: Final = frozenset({"tabular_classification", "tabular_regression"})
_OWN: Final = (
    Framework("sklearn", "training.frameworks.sklearn", "sklearn", _TABULAR, "pip install 'muster-fl[sklearn]'"),
    Framework(
        "torch",
        "training.frameworks.torch",
        "torch",
        _TABULAR,
        "pip install 'muster-fl[torch]'",
        least_bytes=1024**3,
    ),
    Framework(
        "tensorflow",
        "training.frameworks.tensorflow",
        "tensorflow",
        _TABULAR,
        "pip install 'muster-fl[tensorflow]'",
        least_bytes=3 * 1024**3 // 2,
    ),
)


def default_registry() -> Registry:
    """Our own plug-ins and those of installed packages."""
    found = {framework.name: framework for framework in _OWN}
    for point in entry_points(group=GROUP):
        framework = point.load()
        found.setdefault(framework.name, framework)
    return Registry(found, dict.fromkeys(sorted(_TABULAR), "training.categories.tabular"))
