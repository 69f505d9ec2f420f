"""Strategies that change how edges train, in memory: the real edge's part, the real aggregator's part, no streams."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from support.bodies import run
from training.categories.tabular import reductions_of
from training.frameworks import torch as plugin
from training.guidance import Run, controls, learn
from training.plan import Strategy, Training
from training.registry import Problem, Rows
from training.weights import MEAN, Weights, named, read_weights, write_weights

STRATEGIES = {
    "fedprox": {"mu": 0.01},
    "scaffold": {"learning_rate": 1.0, "edges": 0.0},
}


@dataclass
class Federation:
    """Edges that learn a linear model of float64 without an intercept, by mean squared error.

    Attributes:
        rows: Of each edge.
        strategy: Its name.
        training: What the plan says.
        parameters: Of the strategy, where not the default.
    """

    rows: Sequence[Rows]
    strategy: str
    training: Training
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plugin.begin(0)
        self.width = self.rows[0].inputs.shape[1]
        self.model = plugin.tabular(nn.Linear(self.width, 1, bias=False).double(), Problem(self.width, None))
        self.whole = {**STRATEGIES.get(self.strategy, {}), **self.parameters}
        guided = self.strategy in STRATEGIES
        self.told = Strategy(name=self.strategy, parameters=dict(self.whole)) if guided else None
        first = {"weight": np.zeros((1, self.width))}
        beside = controls(self.told, self.model, first)
        reductions = {**named("model", reductions_of(self.model, first, MEAN)), **dict.fromkeys(beside, MEAN)}
        self.weights = Weights({**named("model", first), **beside}, reductions)
        self.kept: dict[int, Weights | None] = {}

    @property
    def w(self) -> np.ndarray:
        return self.weights.tensors["model.weight"][0]

    @property
    def c(self) -> np.ndarray:
        return self.weights.tensors["scaffold.weight"][0]

    def own(self, edge: int) -> np.ndarray:
        """The edge's control variate."""
        state = self.kept.get(edge)
        return np.zeros(self.width) if state is None else state.tensors["scaffold.weight"][0]

    def cycle(self, number: int, answering: Sequence[int], lost: Sequence[int] = ()) -> None:
        """One cycle; the updates of ``lost`` edges do not count, and what these kept for them is not gone on from."""
        bodies, examples = [], []
        for edge in answering:
            work = Run(self.training, 0, number, lambda *_: None, self.told, self.kept.get(edge))
            update, state = learn(self.weights, self.model, self.rows[edge], work)
            if edge not in lost:
                self.kept[edge] = state
                bodies.append(self._file(update))
                examples.append(len(self.rows[edge].target))
        combined = run(self.strategy, bodies, examples, previous=self._file(self.weights), **self.whole)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "w.safetensors"
            path.write_bytes(combined.model)
            self.weights = read_weights(path)

    @staticmethod
    def _file(weights: Weights) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "w.safetensors"
            write_weights(path, weights)
            return path.read_bytes()
