"""Work in worker processes, behind the walls that an edge has. Each process takes as long as the framework's import."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training.categories.tabular import read, train
from training.dataset import Column, Dataset, Encoding, Index, write_dataset
from training.guidance import Run
from training.plan import Limits
from training.testing.case import SEED, Case
from training.weights import read_weights, write_weights
from training.worker import sandbox
from training.worker.config import METRICS, MODEL, PROGRESS, RESOURCES, WEIGHTS, Config, Task
from training.worker.process import Assignment
from training.worker.result import read_result
from training.worker.sandbox import Isolation
from training.worker.supervise import run_worker

_LIMITS: Final = Limits(wall_s=120, cpu_s=120)
_WRITTEN: Final = {WEIGHTS, METRICS, PROGRESS, RESOURCES}
_MOST_BYTES: Final = 2**30


def workers_give_the_same_bits(case: Case) -> None:
    """Two cycles in fresh processes, behind walls and without them: the same bits, and what training here gives.

    Training here is held to rounding only: other libraries are loaded in this process. Workers leave nothing but a
    safetensors file with the form of the model that they were given, metrics and progress.
    """
    with tempfile.TemporaryDirectory() as name:
        place = _Place(case, Path(name))
        place.write_rows()
        table = read(Dataset.open(place.data), "train", case.task)
        received = place.folder / "first.safetensors"
        write_weights(received, case.first())
        for cycle in (1, 2):
            once, again = (place.trained(received, cycle, walls) for walls in (sandbox.available(), Isolation.NONE))
            assert once.read_bytes() == again.read_bytes(), f"cycle {cycle}: two processes give different weights"
            run = Run(case.training, SEED, cycle, lambda *_: None)
            here = train(table, read_weights(received), case.model(), case.task, run).weights
            for tensor, values in read_weights(once).tensors.items():
                np.testing.assert_allclose(values, here.tensors[tensor], rtol=1e-4, atol=1e-6, err_msg=tensor)
            received = once


@dataclass
class _Place:
    """Where workers work, one folder each."""

    case: Case
    folder: Path
    count: int = 0

    @property
    def data(self) -> Path:
        """The dataset."""
        return self.folder / "data"

    def trained(self, received: Path, cycle: int, walls: Isolation) -> Path:
        """The weights that a worker writes."""
        case, self.count = self.case, self.count + 1
        inputs, output = (self.folder / f"{self.count}" / part for part in ("inputs", "output"))
        for each in (inputs, output):
            each.mkdir(parents=True)
        (inputs / MODEL).write_text(case.source, encoding="utf-8")
        (inputs / WEIGHTS).write_bytes(received.read_bytes())
        shutil.copytree(self.data, inputs / "data")
        Config(
            category=case.category,
            framework=case.framework.name,
            features=case.task.features,
            target=case.task.target,
            classes=case.task.classes,
            seed=SEED,
            cycle=cycle,
            training=case.training,
            limits=_LIMITS,
            weights=Path(WEIGHTS),
            dataset=Path("data"),
        ).write(inputs / "config.yaml")
        assignment = Assignment(Task.TRAIN, inputs, output, inputs.parent / "worker.log", _LIMITS)
        ended = asyncio.run(run_worker(assignment, walls))
        assert ended.error is None, f"{ended.error}: {assignment.log.read_text(errors='replace')[-2000:]}"
        written = {path.name for path in output.iterdir()}
        assert written <= _WRITTEN, f"a worker writes {sorted(written - _WRITTEN)}"
        rows, classes = len(case.rows.target), case.task.classes
        result = read_result(
            output,
            Task.TRAIN,
            reference=received,
            rows=rows,
            max_bytes=_MOST_BYTES,
            classes=None if classes is None else len(classes),
        )
        assert result.weights is not None
        return result.weights

    def write_rows(self) -> None:
        """Write the case's rows as a dataset."""
        task, rows = self.case.task, self.case.rows
        label = Encoding.NUMBER if task.classes is None else Encoding.LABEL
        columns = (
            *(Column(name=name, encoding=Encoding.NUMBER) for name in task.features),
            Column(name=task.target, encoding=label, labels=task.classes or ()),
        )
        cells = {name: rows.inputs[:, place] for place, name in enumerate(task.features)}
        cells[task.target] = rows.target.astype(label.dtype)
        train_rows = {name: np.asarray(values) for name, values in cells.items()}
        write_dataset(self.data, Index(rows={"train": len(rows.target)}, columns=columns), {"train": train_rows})
