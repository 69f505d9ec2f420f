"""What a worker does, task by task."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from training.categories import tabular
from training.categories.tabular import Table
from training.dataset import Dataset
from training.errors import Phase, data_error, during, model_error
from training.freezing import freeze
from training.guidance import Run
from training.model import described, load_model, make, read_header
from training.plan import Training
from training.registry import Registry, TabularModel
from training.scores import ClassPrediction, Where
from training.seeds import derive, fix
from training.weights import Weights, check_weights, read_weights, write_weights
from training.worker.config import PREDICTIONS, STATE, WEIGHTS, Config, Task
from training.worker.output import Output

_SMOKE_ROWS: Final = 24
_LARGEST: Final = 2**40


@dataclass
class Work:
    """One run of a worker.

    Attributes:
        config: What it was told.
        registry: What is installed.
        output: Where results go.
    """

    config: Config
    registry: Registry
    output: Output

    def do(self, task: Task) -> None:
        """Do ``task``.

        Raises:
            TrainingError: It cannot be done.
        """
        steps: dict[Task, Callable[[], None]] = {
            Task.SMOKE: self._smoke,
            Task.STATISTICS: self._statistics,
            Task.INITIALISE: self._initialise,
            Task.TRAIN: self._train,
            Task.EVALUATE: self._evaluate,
            Task.PREDICT: self._predict,
        }
        steps[task]()

    @cached_property
    def _model(self) -> TabularModel:
        """What the vendor's file makes, in the hands of its framework."""
        with during(Phase.IMPORT):
            return self._made()

    def _made(self) -> TabularModel:
        config = self.config
        header = read_header(config.model.read_bytes())
        for what, said, wanted in (
            ("framework", header.framework, config.framework),
            ("category", header.category, config.category),
        ):
            if said != wanted:
                raise model_error(
                    "model.contract", f"the model file declares the {what} {said!r}, the experiment {wanted!r}"
                )
        plugin = self.registry.framework(header.framework, header.category).load()
        seed = derive(config.seed, "made")
        fix(seed)
        plugin.begin(seed)
        entry, problem = load_model(config.model, header), config.tabular.problem
        try:
            made = make(entry, {"features": problem.features, "outputs": problem.outputs})
        except Exception as error:
            raise model_error("model.make", f"{header.entry}() failed: {described(error)}") from error
        model = plugin.tabular(made, problem)
        freeze(model, config.training.freeze or ())
        return model

    @property
    def _received(self) -> Weights:
        if self.config.weights is None:
            raise model_error("worker.weights", "this task needs weights, and was given none")
        return read_weights(self.config.weights)

    def _table(self, split: str) -> Table:
        if self.config.dataset is None:
            raise data_error("data.missing", "this task needs a dataset, and was given none")
        return tabular.read(Dataset.open(self.config.dataset), split, self.config.tabular)

    def _run(self) -> Run:
        config = self.config
        state = read_weights(config.state) if config.state is not None else None
        return Run(config.training, config.seed, config.cycle, self.output.progress, config.strategy, state)

    def _statistics(self) -> None:
        table = self._table("train")
        if not len(table):
            raise data_error("data.empty", "there is no row to train on")
        write_weights(self.output.directory / WEIGHTS, tabular.statistics(table, self.config.tabular))
        self.output.metrics(len(table), ())

    def _initialise(self) -> None:
        write_weights(self.output.directory / WEIGHTS, self._first(self._received))
        self.output.metrics(1, ())

    def _first(self, sums: Weights) -> Weights:
        config = self.config
        reduction = self.registry.framework(config.framework, config.category).reduction
        about = {"framework": config.framework, "category": config.category}
        seed = derive(config.seed, "model")
        return tabular.initialise(sums, self._model, config.tabular, reduction, about, seed, config.strategy)

    def _train(self) -> None:
        trained = tabular.train(self._table("train"), self._received, self._model, self.config.tabular, self._run())
        write_weights(self.output.directory / WEIGHTS, trained.weights)
        if trained.state is not None:
            write_weights(self.output.directory / STATE, trained.state)
        self.output.metrics(trained.examples, trained.scores)

    def _evaluate(self) -> None:
        table = self._table("test")
        where = Where("test", "received")
        self.output.metrics(len(table), tabular.score(table, self._received, self._model, self.config.tabular, where))

    def _predict(self) -> None:
        task, table = self.config.tabular, self._table("test")
        predicted = tabular.predict(table.features, self._received, self._model, task)
        values: list[Any]
        if isinstance(predicted, ClassPrediction):
            assert task.classes is not None
            values = [task.classes[code] for code in predicted.codes]
        else:
            values = predicted.tolist()
        with (self.output.directory / PREDICTIONS).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([task.target])
            writer.writerows([value] for value in values)
        self.output.metrics(len(table), ())

    def _smoke(self) -> None:
        """Go through a whole cycle on made-up rows."""
        task, random = self.config.tabular, np.random.Generator(np.random.PCG64(self.config.seed))
        features = random.standard_normal((_SMOKE_ROWS, len(task.features)))
        classes = task.problem.classes
        rows = np.arange(_SMOKE_ROWS)
        target = rows % classes if classes is not None else features.sum(axis=1) + rows
        table = Table(features, target)
        first = self._first(tabular.statistics(table, task))
        once = self.config.training.model_copy(update={"epochs": 1, "validation_split": 0.0})
        run = Run(Training(**once.model_dump()), 0, 1, _quiet, self.config.strategy)
        trained = tabular.train(table, first, self._model, task, run)
        path = self.output.directory / WEIGHTS
        write_weights(path, trained.weights)
        check_weights(path, reference=None, max_bytes=_LARGEST)
        scores = tabular.score(table, trained.weights, self._model, task, Where("train", "trained"))
        self.output.metrics(_SMOKE_ROWS, scores)


def _quiet(done: int, total: int, loss: float | None) -> None:
    """Smoke tests report nothing."""
