"""Each folder of ``examples`` does what its README says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.terminal import Terminal

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.timeout(300)
async def test_diabetes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "diabetes" / "make_data.py", tmp_path / "data"], check=True)  # noqa: ASYNC221 - nothing else runs yet
    terminal = Terminal(tmp_path, tmp_path / "federation")
    clinics = ("clinic-north", "clinic-south")
    async with terminal.up(terminal.federation, *(word for name in clinics for word in ("--edge", name))):
        for clinic in clinics:
            await terminal.succeed(
                *("ingest", "--edge", clinic, "--dataset", "diabetes", "--target", "progression"),
                *("--category", "tabular_regression"),
                *("--train", f"data/{clinic}-train.csv", "--test", f"data/{clinic}-test.csv"),
            )
        ran = await terminal.succeed("run", EXAMPLES / "diabetes" / "plan.yaml", "--follow")
    scores = {score["name"]: score["value"] for score in ran["scores"]}
    assert ran["state"] == "completed"
    assert scores["rmse"] < 65
    assert scores["r2"] > 0.3
