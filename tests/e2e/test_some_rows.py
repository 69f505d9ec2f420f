"""An experiment on some of the rows: apportioned, drawn at the edges, bounded and proven."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.terminal import Terminal

HOSPITALS = ("hospital-a", "hospital-b", "hospital-c")
PLAN = """
name: Some rows
model: model.py
data: {{dataset: breast-cancer, rows: {rows}}}
seed: 7
cycles: 2
training: {{epochs: 2, validation_split: {split}}}
"""


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """A federation that runs and holds the demo's data."""
    terminal = Terminal(tmp_path, tmp_path / "federation")
    names = [argument for name in HOSPITALS for argument in ("--edge", name)]
    async with terminal.up(terminal.federation, *names, "--lease", "3"):
        await terminal.succeed("demo", "--files-only", "--dir", ".")
        for edge in HOSPITALS:
            await ingest(terminal, edge)
        yield terminal


async def ingest(terminal: Terminal, edge: str, *more: str) -> None:
    await terminal.succeed(
        *("ingest", "--edge", edge, "--dataset", "breast-cancer", "--target", "diagnosis"),
        *("--category", "tabular_classification"),
        *("--train", f"data/{edge}-train.csv", "--test", f"data/{edge}-test.csv", *more),
    )


def plan(terminal: Terminal, rows: str, split: float = 0) -> Path:
    path = terminal.folder / "some.yaml"
    path.write_text(PLAN.format(rows=rows, split=split))
    return path


@pytest.mark.timeout(500)
async def test_some_rows_from_the_plan_to_the_proof(terminal: Terminal) -> None:
    for rows, split, code, words in (
        ("{classes: {benine: 10}}", 0, "plan.rows", "did you mean 'benign'?"),
        ("{total: 100}", 0.1, "plan.validation", "hospital-c has 10 rows to learn from, and needs 0.2"),
    ):
        status, found, message = await terminal.fail("run", plan(terminal, rows, split))
        assert (status, found, words in message) == (2, code, True), message

    ran = await terminal.succeed("run", plan(terminal, "{classes: {benign: 100, malignant: 80}}", 0.2), "--follow")
    assert ran["state"] == "completed"
    events = (await terminal.succeed("log", ran["id"]))["events"]
    told = _of(events, "experiment.submitted")[0]["data"]["taken"]
    assert {edge: split["classes"] for edge, split in told.items()} == {
        "hospital-a": {"benign": 61, "malignant": 43},
        "hospital-b": {"benign": 29, "malignant": 29},
        "hospital-c": {"benign": 10, "malignant": 8},
    }
    trained = {
        (e["actor"], e["body"]["cycle"]["kind"]): e["body"]["examples"] for e in events if e["type"] == "update.sealed"
    }
    # One in five is kept for validation: 12 of 61 and 9 of 43, 6 of 29 twice, 2 of 10 and 2 of 8.
    assert [trained[edge, "train"] for edge in HOSPITALS] == [104 - 21, 58 - 12, 18 - 4]
    assert [trained[edge, "statistics"] for edge in HOSPITALS] == [104, 58, 18]
    assert [trained[edge, "evaluate"] for edge in HOSPITALS] == [82, 46, 14], "test rows are all used"
    assert (await terminal.succeed("replay", ran["id"]))["equal"]
    again = await terminal.succeed("replay", ran["id"], "--retrain")
    assert again["equal"], "the same rows are drawn again"

    by_edge = "{edges: {hospital-a: {classes: {benign: 50}}, hospital-b: {share: 0.5}}}"
    linked = await terminal.succeed("link", "model.py", "breast-cancer", "--plan", plan(terminal, by_edge))
    counts = {edge: split["classes"] for edge, split in linked["data"]["taken"].items()}
    assert counts == {
        "hospital-a": {"benign": 50, "malignant": 86},
        "hospital-b": {"benign": 39, "malignant": 29},
        "hospital-c": {"benign": 28, "malignant": 15},
    }

    await ingest(terminal, "hospital-c", "--least-taken", "1000")
    status, code, message = await terminal.fail("run", plan(terminal, "{share: 0.9}"))
    assert (status, code, "hospital-c would take 39 of its 43 rows" in message) == (2, "plan.rows", True), message
    (entry,) = [d for d in (await terminal.succeed("datasets"))["datasets"] if d["edge"] == "hospital-c"]
    assert entry["least_taken"] == 1000


def _of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["body"] for event in events if event["type"] == kind]
