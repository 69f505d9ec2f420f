"""What a worker does, task by task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from training.categories import tabular
from training.categories.tabular import Table
from training.dataset import Dataset
from training.errors import Phase, data_error, during, model_error
from training.guidance import Run
from training.registry import Registry, TabularModel
from training.scores import Where
from training.weights import Weights, read_weights, write_weights
from training.worker.candidate import Candidate
from training.worker.config import PREDICTIONS, STATE, WEIGHTS, Config, Task
from training.worker.output import Output
from training.worker.predictions import Predictions
from training.worker.validating import Validation


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
            Task.VALIDATE: self._validate,
            Task.STATISTICS: self._statistics,
            Task.INITIALISE: self._initialise,
            Task.TRAIN: self._train,
            Task.EVALUATE: self._evaluate,
            Task.PREDICT: self._predict,
        }
        steps[task]()

    @cached_property
    def candidate(self) -> Candidate:
        """The vendor's model."""
        return Candidate(self.config, self.registry, self.output.directory)

    @property
    def _model(self) -> TabularModel:
        with during(Phase.IMPORT):
            return self.candidate.model

    @property
    def _received(self) -> Weights:
        if self.config.weights is None:
            raise model_error("worker.weights", "this task needs weights, and was given none")
        return read_weights(self.config.weights)

    @property
    def _dataset(self) -> Dataset:
        if self.config.dataset is None:
            raise data_error("data.missing", "this task needs a dataset, and was given none")
        return Dataset.open(self.config.dataset)

    def _table(self, split: str) -> Table:
        return tabular.read(self._dataset, split, self.config.tabular)

    def _run(self) -> Run:
        config = self.config
        state = read_weights(config.state) if config.state is not None else None
        return Run(config.training, config.seed, config.cycle, self.output.progress, config.strategy, state)

    def _statistics(self) -> None:
        table = self._table("train")
        if not len(table):
            raise data_error("data.empty", "there is no row to train on")
        before = self._received if self.config.weights is not None else None
        write_weights(self.output.directory / WEIGHTS, tabular.statistics(table, self.config.tabular, before))
        self.output.metrics(len(table), ())

    def _initialise(self) -> None:
        sums = self._received
        _ = self._model
        first = self.candidate.begun(self.candidate.fresh(sums))
        # Behind it, since checks train what the file made; before any edge shows the model a row.
        Validation(self.candidate, self.output).run()
        write_weights(self.output.directory / WEIGHTS, first)
        self.output.metrics(1, ())

    def _train(self) -> None:
        trained = tabular.train(self._table("train"), self._received, self._model, self.config.tabular, self._run())
        write_weights(self.output.directory / WEIGHTS, trained.weights)
        if trained.state is not None:
            write_weights(self.output.directory / STATE, trained.state)
        self.output.metrics(trained.examples, trained.scored)

    def _evaluate(self) -> None:
        table = self._table("test")
        where = Where("test", "received")
        found = [tabular.scored(table, self._received, self._model, self.config.tabular, where)]
        if self.config.with_validation:
            rows = tabular.kept_for_validation(self._table("train"), self.config.tabular, self._run())
            where = Where("validation", "received")
            found.append(tabular.scored(rows, self._received, self._model, self.config.tabular, where, full=False))
        self.output.metrics(len(table), found)

    def _predict(self) -> None:
        task = self.config.tabular
        features = tabular.read_features(self._dataset, "test", task)
        predicted = tabular.predict(features, self._received, self._model, task)
        Predictions.of(predicted, task).write(self.output.directory / PREDICTIONS, task)
        self.output.metrics(len(features), ())

    def _validate(self) -> None:
        Validation(self.candidate, self.output).run()
