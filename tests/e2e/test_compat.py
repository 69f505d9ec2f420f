"""A script for the older SDK runs against a federation, with its import changed and nothing else."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from support.terminal import Terminal

MODEL = Path(__file__).parents[2] / "examples" / "models" / "torch" / "logistic_classifier.py"
HOSPITALS = ("hospital-a", "hospital-b")
SCRIPT = """
from muster.compat import User

# Authenticate
user = User(environment="production")

# Upload a model (with optional pretrained weights)
user.uploadModel("my_model", weights=True)

# Link model to a dataset and get a training plan object
plan = user.linkModelDataset("dataset-abc-123")

# Configure training parameters
plan.experimentName("Fine-tune on tumours")
plan.epochs(4)
plan.cycles(2)
plan.optimizer("adam")
plan.learningRate({"type": "constant", "value": 0.01})
plan.lossFunction({"type": "standard", "value": "crossentropy"})
plan.validation_split(0.2)

# Add callbacks
plan.earlystopCallback("val_loss", patience=10)
plan.reducelrCallback("val_loss", factor=0.1, patience=5, min_delta=0.0001)

# Launch the experiment
plan.start()
"""
AFTER = """
status = plan.experiment.follow(progress=False)
print("ended", status.state, user.get_experiment_status(status.id))
print("none", user.get_experiment_status("no-such-id"))
user.logout()
try:
    user.linkModelDataset("dataset-abc-123")
except Exception as error:
    print("after logout:", error)
user.login()
user.help()
"""


@pytest.mark.timeout(600)
async def test_a_script_of_the_older_sdk_runs(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, tmp_path / "federation")
    await terminal.succeed("demo", "--files-only", "--dir", "files")
    # The older SDK wants these two of every model of tables.
    header = "\nnum_feature_points = 30\noutput_classes = 2\n"
    (tmp_path / "my_model.py").write_text(MODEL.read_text() + header)
    start = {"head.weight": np.zeros((2, 30), np.float32), "head.bias": np.zeros(2, np.float32)}
    save_file(start, tmp_path / "my_model_weights.safetensors")
    (tmp_path / "profiles.toml").write_text(f'[production]\ndirectory = "{tmp_path / "federation"}"\n')
    (tmp_path / "script.py").write_text(SCRIPT + AFTER)
    async with terminal.up(terminal.federation, *(word for name in HOSPITALS for word in ("--edge", name))):
        for name in HOSPITALS:
            await terminal.succeed(
                *("ingest", "--edge", name, "--dataset", "dataset-abc-123", "--target", "diagnosis"),
                *("--category", "tabular_classification"),
                *("--train", f"files/data/{name}-train.csv", "--test", f"files/data/{name}-test.csv"),
            )
        printed = await _run(tmp_path)
        ran = await terminal.succeed("list")

    assert "connected as acme" in printed
    assert "my_model.py passes the eight checks" in printed
    assert "watched is validation.log_loss of the global model" in printed
    assert "ended completed" in printed
    assert "'status_display': 'completed, 2 of 2 cycles'" in printed
    assert "none None" in printed
    assert "after logout: this connection is closed" in printed
    (experiment,) = ran["experiments"]
    assert experiment["name"] == "Fine-tune on tumours"
    assert experiment["state"] == "completed"
    scores = {score["name"]: score["value"] for score in experiment["scores"]}
    assert scores["accuracy"] > 0.9


async def _run(folder: Path) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
        "MUSTER_PROFILES": str(folder / "profiles.toml"),
        "COLUMNS": "200",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "script.py",
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(500):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()
