"""The TensorFlow example does what its README says."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.terminal import Terminal

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer-tensorflow"
HOSPITALS = ("hospital-a", "hospital-b", "hospital-c")
PATIENCE_S = 400
"""Each worker takes four seconds of CPU to load what it needs."""


@pytest.mark.timeout(900)
async def test_hospitals_learn_and_their_work_can_be_done_again(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, tmp_path / "federation")
    await terminal.succeed("demo", "--files-only", "--dir", "files")
    async with terminal.up(terminal.federation, *(word for name in HOSPITALS for word in ("--edge", name))):
        for name in HOSPITALS:
            await terminal.succeed(
                *("ingest", "--edge", name, "--dataset", "breast-cancer", "--target", "diagnosis"),
                *("--category", "tabular_classification"),
                *("--train", f"files/data/{name}-train.csv", "--test", f"files/data/{name}-test.csv"),
            )
        ran = await terminal.succeed("run", EXAMPLE / "plan.yaml", "--follow", timeout_s=PATIENCE_S)
        scores = {score["name"]: score["value"] for score in ran["scores"]}
        assert ran["state"] == "completed"
        assert scores["accuracy"] > 0.93, scores
        proved = await terminal.succeed("replay", ran["id"], "--retrain", timeout_s=PATIENCE_S)
        assert (proved["equal"], proved["covered"], proved["first"]) == (True, proved["of"], None)
