"""A model of a framework, made-up rows that it can learn from, and work with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from training.categories.tabular import Table, Task, initialise, statistics
from training.contract.header import read_header
from training.contract.loading import load_loss, load_model, make
from training.errors import TrainingError
from training.freezing import freeze
from training.plan import Training
from training.registry import Framework, OwnLoss, Parameters, Problem, Report, Rows, TabularModel
from training.seeds import fix
from training.weights import Weights

SEED: Final = 3
FEATURES: Final = 5
ROWS: Final = 60
_NAMES: Final = tuple(f"f{place}" for place in range(FEATURES))

Check = Callable[["Case"], None]
"""Raises ``AssertionError`` if a framework does not keep what it has to."""


@dataclass(frozen=True)
class Case:
    """A model file of a framework, and what a plan says about it. It learns to tell classes apart, or a number.

    Attributes:
        framework: The plug-in.
        source: Text of the model file. Its model has parameters that are averaged, and can be trained for two cycles.
        training: Under which it learns something from sixty rows of five features in two cycles.
        classes: How many there are; ``None`` for a number.
        guided: Whether it can do an edge's part of strategies that change how edges train (``GuidedModel``).
        doubled: Text of a loss file that gives twice the loss that is the usual one for what is learnt, if the
            framework takes loss files (``LossModel``).
    """

    framework: Framework
    source: str
    training: Training
    classes: int | None
    guided: bool = False
    doubled: str = ""

    def model(self, seed: int = SEED) -> TabularModel:
        """A model as a worker makes it."""
        return self.handled(lambda offered: make(self._entry(), offered), seed)

    def handled(self, makes: Callable[[dict[str, int]], object], seed: int = SEED) -> TabularModel:
        """What the framework makes of another object in the place of the file's model."""
        plugin = self.framework.load()
        fix(seed)
        plugin.begin(seed)
        problem = self.problem
        model = plugin.tabular(makes({"features": problem.features, "outputs": problem.outputs}), problem)
        freeze(model, self.training.freeze or ())
        return model

    def own_loss(self) -> OwnLoss:
        """The function of the case's loss file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "loss.py"
            path.write_text(self.doubled, encoding="utf-8")
            return load_loss(path)

    def _entry(self) -> Callable[..., Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.py"
            path.write_text(self.source, encoding="utf-8")
            return load_model(path, read_header(self.source.encode()))

    @property
    def problem(self) -> Problem:
        """The shape of what is learnt."""
        return Problem(FEATURES, self.classes)

    @property
    def category(self) -> str:
        """The task category."""
        return "tabular_regression" if self.classes is None else "tabular_classification"

    @property
    def task(self) -> Task:
        """What is learnt from what."""
        return Task(_NAMES, "y", None if self.classes is None else tuple(f"class {n}" for n in range(self.classes)))

    @cached_property
    def rows(self) -> Rows:
        """Sixty rows; a linear score with some noise, cut into classes of one size."""
        random = np.random.default_rng(1)
        inputs = random.normal(size=(ROWS, FEATURES))
        score = inputs @ np.linspace(-1.0, 1.0, FEATURES) + 0.3 * random.normal(size=ROWS)
        if self.classes is None:
            return Rows(inputs, score)
        cuts = np.quantile(score, np.linspace(0, 1, self.classes + 1)[1:-1])
        return Rows(inputs, np.searchsorted(cuts, score).astype(np.int64))

    @property
    def table(self) -> Table:
        """The same rows before preprocessing."""
        return Table(self.rows.inputs, self.rows.target)

    def first(self, model: TabularModel | None = None) -> Weights:
        """The first global model, with preprocessing, as a worker writes it."""
        sums = statistics(self.table, self.task)
        return initialise(sums, model or self.model(), self.task, self.framework.reduction, {}, SEED)

    def learn(
        self,
        parameters: Parameters,
        *,
        model: TabularModel | None = None,
        rows: Rows | None = None,
        seed: int = SEED,
        cycle: int = 1,
        report: Report = lambda *_: None,
    ) -> Parameters:
        """The parameters after training; by a model of its own and on all rows, if not said otherwise."""
        model = model or self.model()
        return model.trained(parameters, rows or self.rows, self.training, seed=seed, cycle=cycle, report=report)

    def told(self, **changes: object) -> Case:
        """The same under another plan."""
        return replace(self, training=self.training.model_copy(update=changes))


def refusal(work: Callable[[], object]) -> TrainingError | None:
    """Why a piece of work is refused; ``None`` if it is not."""
    try:
        work()
    except TrainingError as error:
        return error
    return None


def same(one: Parameters, other: Parameters) -> bool:
    """Whether two models are the same, bit for bit."""
    assert one.keys() == other.keys(), f"different parameters: {sorted(one.keys() ^ other.keys())}"
    return all(np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one)


def form(parameters: Parameters) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Parameter -> dtype, shape."""
    return {name: (np.asarray(each).dtype, np.asarray(each).shape) for name, each in parameters.items()}
