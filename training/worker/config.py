"""``CONFIG.yaml``: all that a worker is told. Paths are relative to the file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from training.categories.tabular import Task as TabularTask
from training.errors import Category, Phase, TrainingError
from training.plan import Limits, Strategy, Training
from training.preprocessing.preparation import Preparation

# The same words as PyYAML's own, in C where it is there: some milliseconds of every job.
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MODEL: Final = "model.py"
"""The model as it was submitted, which may also be a zip."""
PRETRAINED: Final = "pretrained.safetensors"
"""Weights that the vendor gave to begin with."""
WEIGHTS: Final = "weights.safetensors"
STATE: Final = "state.safetensors"
"""What the edge kept of an earlier cycle, and what it shall keep of this one. Never leaves it."""
METRICS: Final = "metrics.json"
RESOURCES: Final = "resources.json"
PROGRESS: Final = "progress.jsonl"
ERROR: Final = "error.json"
VALIDATION: Final = "validation.json"
PREDICTIONS: Final = "predictions.csv"


class Task(StrEnum):
    """What a worker can be asked for."""

    VALIDATE = "validate"
    """Check the model file step by step, on a few made-up rows."""
    STATISTICS = "statistics"
    """Sum up what preprocessing needs."""
    INITIALISE = "initialise"
    """Make the first global model from the summed statistics."""
    TRAIN = "train"
    EVALUATE = "evaluate"
    """Score the received model on the test rows."""
    PREDICT = "predict"
    """Write the received model's predictions for all test rows, whose target need not be known; see ``predictions``."""

    @property
    def needs_data(self) -> bool:
        """Whether it reads the dataset."""
        return self not in {Task.VALIDATE, Task.INITIALISE}

    @property
    def writes_weights(self) -> bool:
        """Whether weights come of it."""
        return self in {Task.STATISTICS, Task.INITIALISE, Task.TRAIN}

    @property
    def phase(self) -> Phase:
        """What a failure within it is said to have happened in."""
        return _PHASES[self]


_PHASES: Final = {
    Task.VALIDATE: Phase.TRAIN,
    Task.STATISTICS: Phase.STATISTICS,
    Task.INITIALISE: Phase.INITIALISE,
    Task.TRAIN: Phase.TRAIN,
    Task.EVALUATE: Phase.EVALUATE,
    Task.PREDICT: Phase.EVALUATE,
}


_PATHS: Final = ("model", "pretrained", "weights", "state", "dataset")


class Config(BaseModel):
    """What a worker is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    category: str
    framework: str
    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...] | None = None
    preparation: Preparation | None = None
    """What is done to the columns; left out: they are numbers, and standardised."""
    seed: int = 0
    cycle: int = 0
    training: Training = Training()
    strategy: Strategy | None = None
    """What combines the updates, if it changes how edges train."""
    limits: Limits = Limits()
    model: Path = Path(MODEL)
    pretrained: Path | None = None
    """The vendor's weights, for the first global model."""
    weights: Path | None = None
    """Summed statistics or the global model; none in the first pass of statistics."""
    state: Path | None = None
    """What the edge kept of the cycle that this one goes on from."""
    dataset: Path | None = None
    with_validation: bool = False
    """In an evaluation: score the rows that are kept for validation, too."""

    @property
    def tabular(self) -> TabularTask:
        """What is learnt from what."""
        return TabularTask(self.features, self.target, self.classes, self.preparation)

    def write(self, path: Path) -> None:
        """Write it as YAML."""
        path.write_text(yaml.dump(self.model_dump(mode="json"), Dumper=_DUMPER, sort_keys=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it; paths become absolute.

        Raises:
            TrainingError: It cannot be used.
        """
        try:
            found = cls.model_validate(yaml.load(path.read_text(encoding="utf-8"), _LOADER))  # noqa: S506 - it is a safe one
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise TrainingError(
                Category.INFRA, "worker.config", f"the worker's configuration is wrong: {error}"
            ) from error
        folder = path.resolve().parent
        placed = {name: folder / value for name in _PATHS if (value := getattr(found, name))}
        return found.model_copy(update=placed)
