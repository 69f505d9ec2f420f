"""Datasets and worker runs for tests of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.dataset import Column, Encoding, Index, write_dataset
from training.plan import Limits, Training
from training.worker import sandbox
from training.worker.config import Config, Task
from training.worker.process import Assignment
from training.worker.sandbox import Isolation
from training.worker.supervise import Ended, run_worker

LOGISTIC = """
from sklearn.linear_model import LogisticRegression

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "linear"

def build():
    return LogisticRegression()
"""

HEADER = """
framework = "sklearn"
category = "tabular_classification"
main_method = "build"

def build():
    {body}
"""
LIMITS = Limits(wall_s=60, cpu_s=60)


def save_table(
    directory: Path, features: NDArray[np.float64], target: NDArray[np.int64], labels: tuple[str, ...]
) -> None:
    """Rows with a class: two thirds to train, one third to test."""
    names = tuple(f"f{place}" for place in range(features.shape[1]))
    columns = (
        *(Column(name=name, encoding=Encoding.NUMBER) for name in names),
        Column(name="y", encoding=Encoding.LABEL, labels=labels),
    )
    parts = {"train": np.arange(len(target)) % 3 != 2, "test": np.arange(len(target)) % 3 == 2}
    arrays = {
        split: {**{name: features[rows, place] for place, name in enumerate(names)}, "y": target[rows].astype(np.int32)}
        for split, rows in parts.items()
    }
    write_dataset(directory, Index(rows={s: int(r.sum()) for s, r in parts.items()}, columns=columns), arrays)


@dataclass
class Bench:
    """A place to run workers in, on 90 rows of two features and two classes.

    Attributes:
        folder: Everything is below it.
        isolation: What keeps workers in.
    """

    folder: Path
    isolation: Isolation = Isolation.NONE
    features: tuple[str, ...] = ("f0", "f1")
    classes: tuple[str, ...] = ("no", "yes")
    rows: int = 60
    count: int = 0

    @classmethod
    def made(cls, folder: Path) -> Bench:
        random = np.random.default_rng(1)
        target = np.arange(90) % 2
        features = random.normal(size=(90, 2)) + 2.0 * target[:, None]
        save_table(folder / "data", features, target, ("no", "yes"))
        return cls(folder, sandbox.available())

    async def run(
        self,
        task: Task,
        *,
        source: str = LOGISTIC,
        weights: Path | None = None,
        limits: Limits = LIMITS,
        training: Training | None = None,
        cycle: int = 1,
        category: str = "tabular_classification",
        framework: str = "sklearn",
        with_validation: bool = False,
    ) -> tuple[Ended, Path]:
        """Run a worker; returns how it ended and its output directory."""
        self.count += 1
        job = self.folder / f"job-{self.count}"
        inputs, output = job / "inputs", job / "output"
        inputs.mkdir(parents=True)
        output.mkdir()
        (inputs / "model.py").write_text(source)
        if weights is not None:
            (inputs / "weights.safetensors").write_bytes(weights.read_bytes())
        if not (inputs / "data").exists():
            self._copy_data(inputs / "data")
        Config(
            category=category,
            framework=framework,
            features=self.features,
            target="y",
            classes=self.classes,
            seed=5,
            cycle=cycle,
            training=training or Training(epochs=3, validation_split=0.2),
            limits=limits,
            weights=Path("weights.safetensors") if weights else None,
            dataset=Path("data"),
            with_validation=with_validation,
        ).write(inputs / "config.yaml")
        ended = await run_worker(Assignment(task, inputs, output, job / "worker.log", limits), self.isolation)
        return ended, output

    def _copy_data(self, to: Path) -> None:
        for path in (self.folder / "data").rglob("*"):
            if path.is_file():
                target = to / path.relative_to(self.folder / "data")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
