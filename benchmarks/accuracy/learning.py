"""Both ways of learning, by the code that workers and the aggregator run.

Federated: each edge sums up its rows, the sums make the first model, and in each cycle every edge trains and the
updates are combined. Pooled: the same model sees all rows in one place, for as many epochs as all cycles have.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks.accuracy.data import Parted, parted
from benchmarks.accuracy.models import Model
from support.bodies import run
from support.members import unite
from training.categories import tabular
from training.categories.tabular import Table, Task
from training.guidance import Run
from training.plan import Strategy
from training.registry import TabularModel, default_registry
from training.scores import Where
from training.weights import Weights, is_union, read_weights, write_weights
from training.worker.candidate import Candidate
from training.worker.config import Config

_GUIDED: Final = {"fedprox": {"mu": 0.01}, "scaffold": {"learning_rate": 1.0, "edges": 0.0}}
"""Strategies that edges have to know of, with what they are told."""


@dataclass(frozen=True)
class Learner:
    """A model and what it is to learn.

    Attributes:
        model: The model file and its plan.
        task: What is learnt from what.
        seed: Of the experiment.
        strategy: How updates are combined.
    """

    model: Model
    task: Task
    seed: int
    strategy: str = "fedavg"

    def federated(self, edges: Sequence[Table]) -> Weights:
        """The last global model."""
        candidate = self._candidate()
        weights = candidate.fresh(combined([tabular.statistics(edge, self.task) for edge in edges]))
        kept: list[Weights | None] = [None] * len(edges)
        for cycle in range(1, self.model.cycles + 1):
            run = self._run(cycle)
            trained = [
                tabular.train(edge, weights, candidate.model, self.task, replace(run, state=state))
                for edge, state in zip(edges, kept, strict=True)
            ]
            kept = [each.state for each in trained]
            updates, examples = [each.weights for each in trained], [each.examples for each in trained]
            weights = combined(updates, weights, examples, self._guiding or Strategy(name=self.strategy))
        return weights

    def alone(self, rows: Table) -> Weights:
        """What one edge learns in all cycles without a federation: nothing is combined."""
        candidate = self._candidate()
        weights = candidate.fresh(tabular.statistics(rows, self.task))
        for cycle in range(1, self.model.cycles + 1):
            weights = weights.grown(tabular.train(rows, weights, candidate.model, self.task, self._run(cycle)).weights)
        return weights

    def pooled(self, rows: Table) -> Weights:
        """What is learnt from all rows in one place, by one training."""
        training = self.model.training.model_copy(update={"epochs": self.model.training.epochs * self.model.cycles})
        candidate = self._candidate()
        first = candidate.fresh(tabular.statistics(rows, self.task))
        run = Run(training, self.seed, 1, _quiet)
        return first.grown(tabular.train(rows, first, candidate.model, self.task, run).weights)

    def score(self, weights: Weights, rows: Table) -> float:
        """In points: accuracy, or R2, times 100."""
        name = "r2" if self.task.classes is None else "accuracy"
        found = tabular.score(rows, weights, self.made, self.task, Where("test", "received"))
        value = {score.name: score.value for score in found}[name]
        assert value is not None, f"{self.model.name}: {name} has no value"
        return 100 * value

    @cached_property
    def made(self) -> TabularModel:
        """The model in the hands of its framework; nothing trains this one."""
        return self._candidate().model

    def _candidate(self) -> Candidate:
        """A new one for every learning: training moves the very tensors that the first model is taken from."""
        header = self.model.header
        config = Config(
            category=header.category,
            framework=header.framework,
            features=self.task.features,
            target=self.task.target,
            classes=self.task.classes,
            seed=self.seed,
            training=self.model.training,
            strategy=self._guiding,
            model=self.model.path,
        )
        return Candidate(config, default_registry(), Path("unused: the model is one file"))

    @property
    def _guiding(self) -> Strategy | None:
        told = _GUIDED.get(self.strategy)
        return None if told is None else Strategy(name=self.strategy, parameters=told)

    def _run(self, cycle: int) -> Run:
        return Run(self.model.training, self.seed, cycle, _quiet, self._guiding)


def _quiet(done: int, total: int, loss: float | None) -> None:
    """Nobody wants to know."""


def combined(
    updates: Sequence[Weights],
    previous: Weights | None = None,
    examples: Sequence[int] | None = None,
    strategy: Strategy = Strategy(),  # noqa: B008 - it is frozen
) -> Weights:
    """What the aggregator makes of the updates of a cycle."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "weights.safetensors"

        def body(weights: Weights) -> bytes:
            write_weights(path, weights)
            return path.read_bytes()

        bodies, before = [body(each) for each in updates], None if previous is None else body(previous)
        told = strategy.parameters
        if any(is_union(reduction) for reduction in updates[0].reductions.values()):
            model = unite(bodies, before, examples, strategy=strategy.name, run_bytes=2**20, chunk_bytes=2**20, **told)
        else:
            model = run(strategy.name, bodies, examples, previous=before, chunk_bytes=2**20, **told)
        path.write_bytes(model.model)
        return read_weights(path)


@dataclass(frozen=True)
class Compared:
    """Points on rows that nobody learnt from."""

    federated: float
    pooled: float
    largest: float
    """What the edge with the most rows reaches alone."""

    @classmethod
    def of(cls, model: Model, parted: Parted, seed: int, strategy: str = "fedavg") -> Compared:
        """Learn both ways."""
        learner = Learner(model, parted.task, seed, strategy)
        largest = max(parted.edges, key=len)
        return cls(
            federated=learner.score(learner.federated(parted.edges), parted.test),
            pooled=learner.score(learner.pooled(parted.pooled), parted.test),
            largest=learner.score(learner.pooled(largest), parted.test),
        )


def compared(model: Model, data: str, deals: int, strategy: str = "fedavg", skew: float = 0.0) -> list[Compared]:
    """Both ways over some deals of a table."""
    return [Compared.of(model, parted(data, seed, skew=skew), seed, strategy) for seed in range(deals)]
