"""What the federated model is compared with: each hospital alone, and all records in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from muster.demo.data import Collection
from training.categories import tabular
from training.categories.tabular import Table
from training.contract.header import read_header
from training.contract.loading import load_model
from training.guidance import Run
from training.plan import Plan
from training.registry import TabularModel, default_registry
from training.scores import Where
from training.seeds import derive
from training.weights import Weights


@dataclass(frozen=True)
class Row:
    """One line of the comparison: who trained, on how many rows, and its scores on everybody's held-out rows."""

    who: str
    rows: int
    scores: Mapping[str, float | None]


class Comparison:
    """Trains and scores with the very code that workers run; the model file is our own, so it needs no walls.

    Args:
        found: The hospitals.
        plan: What is trained.
        source: The model file.
    """

    def __init__(self, found: Collection, plan: Plan, source: Path) -> None:
        self._found = found
        self._plan = plan
        header = read_header(source.read_bytes())
        plugin = default_registry().framework(header.framework, header.category).load()
        self._model: TabularModel = plugin.tabular(load_model(source, header)(), found.task.problem)
        self._test = joined([hospital.test for hospital in found.hospitals.values()])

    @property
    def test_rows(self) -> int:
        """Held-out rows of all hospitals."""
        return len(self._test)

    def baselines(self) -> list[Row]:
        """Each hospital alone, then all records pooled: as many passes over the rows as the federation makes."""
        hospitals = self._found.hospitals
        rows = [self._trained(f"{name} alone", hospital.train) for name, hospital in hospitals.items()]
        return [*rows, self._trained("pooled in one place", joined([h.train for h in hospitals.values()]))]

    def scored(self, who: str, rows: int, weights: Weights) -> Row:
        """A model's scores on everybody's held-out rows."""
        found = tabular.score(self._test, weights, self._model, self._found.task, Where("test", "received"))
        return Row(who, rows, {score.name: score.value for score in found})

    def _trained(self, who: str, table: Table) -> Row:
        plan, task = self._plan, self._found.task
        first = tabular.initialise(
            tabular.statistics(table, task), self._model, task, "mean", {}, derive(plan.seed, "model")
        )
        training = plan.training.model_copy(update={"epochs": plan.training.epochs * plan.cycles})
        trained = tabular.train(table, first, self._model, task, Run(training, plan.seed, 1, _quiet))
        return self.scored(who, len(table), trained.weights)


def joined(tables: list[Table]) -> Table:
    """The rows of all tables."""
    return Table(
        np.concatenate([table.features for table in tables]), np.concatenate([table.target for table in tables])
    )


def _quiet(done: int, total: int, loss: float | None) -> None:
    """Baselines report nothing."""
