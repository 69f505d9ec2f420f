"""Through real processes: what the tests of accuracy learn in one process is what a federation learns."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.accuracy import alone
from benchmarks.accuracy.data import Parted, parted
from benchmarks.accuracy.learning import Learner
from benchmarks.accuracy.models import Model, model
from benchmarks.accuracy.page import BOUND
from support.terminal import Terminal
from training.categories.tabular import Table, Task
from training.weights import Weights, read_weights
from training.worker import sandbox
from training.worker.config import Task as Work

SEED = 2
TABLE = "breast-cancer"
MODELS = [
    pytest.param(model("sklearn/logistic_classifier.py"), id="sklearn"),
    pytest.param(model("torch/logistic_classifier.py"), id="torch", marks=pytest.mark.slow),
    pytest.param(model("tensorflow/logistic_classifier.py"), id="tensorflow", marks=pytest.mark.slow),
]
PATIENCE_S = 500


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("which", MODELS)
async def test_a_federation_learns_what_is_measured(which: Model, tmp_path: Path) -> None:
    apart, one = parted(TABLE, SEED), parted(TABLE, SEED, edges=1)
    terminal = Terminal(tmp_path, tmp_path / "federation")
    edges = tuple(f"edge-{place}" for place in range(len(apart.edges)))
    async with terminal.up(terminal.federation, *(word for name in edges for word in ("--edge", name))):
        for edge, rows in zip(edges, apart.edges, strict=True):
            await bring_in(terminal, edge, "apart", apart, rows)
        await bring_in(terminal, edges[0], "one", one, one.pooled)
        federated = await learnt(terminal, which, "apart")
        of_one = await learnt(terminal, which, "one")

    learner = Learner(which, apart.task, SEED)
    here = learner.federated(apart.edges)
    for name, tensor in federated.tensors.items():
        # Other libraries are loaded in this process than in workers.
        np.testing.assert_allclose(tensor, here.tensors[name], rtol=1e-3, atol=1e-5, err_msg=name)
    pooled = learner.score(learner.pooled(apart.pooled), apart.test)
    assert pooled - learner.score(federated, apart.test) <= BOUND
    assert pooled > 90

    local = trained_alone(which, tmp_path / "alone.safetensors")
    assert {name: tensor.tobytes() for name, tensor in of_one.tensors.items()} == {
        name: tensor.tobytes() for name, tensor in local.tensors.items()
    }


async def bring_in(terminal: Terminal, edge: str, dataset: str, found: Parted, rows: Table) -> None:
    """Ingest rows, and the held-out ones, at an edge."""
    files: Mapping[str, Table] = {"train": rows, "test": found.test}
    for split, table in files.items():
        write_csv(terminal.folder / f"{edge}-{dataset}-{split}.csv", found.task, table)
    await terminal.succeed(
        *("ingest", "--edge", edge, "--dataset", dataset, "--target", found.task.target),
        *("--category", "tabular_classification"),
        *("--train", f"{edge}-{dataset}-train.csv", "--test", f"{edge}-{dataset}-test.csv"),
    )


def write_csv(path: Path, task: Task, table: Table) -> None:
    assert task.classes is not None
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*task.features, task.target])
        for features, code in zip(table.features, table.target, strict=True):
            writer.writerow([*map(repr, map(float, features)), task.classes[code]])


async def learnt(terminal: Terminal, which: Model, dataset: str) -> Weights:
    """The last global model of an experiment on a dataset."""
    plan = {
        "name": f"{which.name} on {dataset}",
        "model": str(which.path),
        "data": {"dataset": dataset},
        "seed": SEED,
        "cycles": which.cycles,
        "training": which.training.model_dump(mode="json", exclude_unset=True),
    }
    (terminal.folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    ran = await terminal.succeed("run", "plan.yaml", "--follow", timeout_s=PATIENCE_S)
    assert ran["state"] == "completed"
    await terminal.succeed("download", ran["id"], "--out", dataset)
    return read_weights(terminal.folder / dataset / "model.safetensors")


def trained_alone(which: Model, out: Path) -> Weights:
    """What one process makes of the same rows, in the environment that workers have."""
    environment = sandbox.command(Work.TRAIN, out.parent, out.parent, sandbox.Isolation.NONE).environment
    words = [sys.executable, alone.__file__, which.name, TABLE, str(SEED), str(out)]
    subprocess.run(words, env=environment, check=True, timeout=PATIENCE_S)
    return read_weights(out)
