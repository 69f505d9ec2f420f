"""``muster ingest``: as a user runs it, and as other parts of ``muster`` call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bus.errors import Configuration, Invalid, NotFound, Unavailable
from bus.jetstream.server import EmbeddedServer, free_port
from integration.ingest.site import TRAIN_ROWS, cancer, write_csv
from muster.federation.create import create
from muster.federation.layout import Layout
from muster.ingest import ingest, ingest_files

COMMAND = [sys.executable, "-P", "-c", "from muster.cli.main import main; main()", "ingest"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    parts = {"train": cancer()[:TRAIN_ROWS], "test": cancer()[TRAIN_ROWS:]}
    for name, rows in parts.items():
        write_csv(tmp_path / f"{name}.csv", rows)
    return {name: tmp_path / f"{name}.csv" for name in parts}


def federation(tmp_path: Path, port: int) -> Layout:
    return create(tmp_path / "fed", edges=("hospital-a", "hospital-b"), vendors=("acme",), port=port)


@pytest.fixture
def layout(tmp_path: Path, nats_server: EmbeddedServer) -> Layout:
    return federation(tmp_path, nats_server.settings.port)


def command(layout: Layout, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run in a folder of its own, in which something is called like a part of ours."""
    folder = layout.directory.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    (folder / "ingest.py").write_text("raise SystemExit('not ours')")
    return subprocess.run(
        [*COMMAND, "--federation", str(layout.directory), *arguments], capture_output=True, text=True, cwd=folder
    )


def about(files: dict[str, Path]) -> list[str]:
    options = {"dataset": "breast-cancer", "target": "diagnosis", "category": "tabular_classification", **files}
    return [str(word) for name, value in options.items() for word in (f"--{name}", value)]


async def test_options(layout: Layout, files: dict[str, Path]) -> None:
    done = command(layout, "--edge", "hospital-a", *about(files), "--ignore", "note", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["edge"], result["announced"]) == ("hospital-a", True)
    assert result["splits"]["train"] == {"rows": 455, "stored": 455, "classes": {"benign": 269, "malignant": 186}}


async def test_a_file_with_settings_and_options_over_it(layout: Layout, files: dict[str, Path]) -> None:
    folder = files["train"].parent
    (folder / "ingest.yaml").write_text(
        "dataset: other\ncategory: tabular_classification\ntarget: diagnosis\ntrain: train.csv\n"
        "infer: true\ncsv_options: {null_tokens: [NA]}\n"
    )
    config = ["--config", str(folder / "ingest.yaml"), "--dataset", "breast-cancer"]
    done = command(layout, "--edge", "hospital-b", *config)
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stdout.split()) == "breast-cancer at hospital-b, revision 1: train 455 rows (455 new)"


async def test_errors_have_one_object_a_sentence_and_a_status(layout: Layout, files: dict[str, Path]) -> None:
    unknown = command(layout, "--edge", "hospital-c", *about(files), "--json")
    assert unknown.returncode == 4
    assert json.loads(unknown.stdout)["error"]["code"] == "edge.missing"
    assert "did you mean" in unknown.stderr
    schema = files["train"].parent / "schema.yaml"
    schema.write_text("mean radius: INT\n")
    wrong = command(layout, "--edge", "hospital-a", *about(files), "--schema", str(schema), "--infer", "--json")
    assert wrong.returncode == 2
    error = json.loads(wrong.stdout)["error"]
    assert error["details"] == {"errors": 569, "failed": 569}
    assert "line 2, column 'mean radius': expected INT: a whole number" in error["message"]


async def test_the_function(layout: Layout, files: dict[str, Path]) -> None:
    about = {"dataset": "breast-cancer", "category": "tabular_classification", "target": "diagnosis"}
    outcome = await ingest_files(layout, "hospital-a", **about, files=files)
    assert outcome.announced
    assert outcome.splits["train"].rows == TRAIN_ROWS
    again = await ingest_files(layout, "hospital-a", **about, files=files)
    assert again.sequence == outcome.sequence
    with pytest.raises(NotFound, match="there is no file"):
        await ingest_files(layout, "hospital-a", **about, files={"train": files["train"].with_name("x.csv")})
    with pytest.raises(Invalid, match="target"):
        await ingest(layout, "hospital-b", {**about, "target": "x", "train": files["train"], "infer": True})
    with pytest.raises(Configuration, match="'mean radios', which is no column; did you mean 'mean radius'"):
        told = {"consent": {"words": ["mean radios"]}}
        await ingest(layout, "hospital-b", {**about, "train": files["train"], "infer": True, **told})


async def test_a_federation_that_does_not_run(tmp_path: Path, files: dict[str, Path]) -> None:
    layout = federation(tmp_path, free_port())
    config = {"dataset": "d", "category": "tabular_classification", "target": "diagnosis", "infer": True, **files}
    with pytest.raises(Unavailable, match="is stored, but not announced"):
        await ingest(layout, "hospital-a", config, patience_s=0.2)
