"""Words, missing cells and features made from columns, in a real federation of three uneven edges."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from support.terminal import Terminal
from training.categories import tabular
from training.categories.tabular import Table
from training.dataset import Column, Dataset, Encoding, Index, write_dataset
from training.frameworks import sklearn as plugin
from training.scores import ClassPrediction
from training.weights import Weights, read_weights

ROWS = {"ward-a": 40, "ward-b": 120, "ward-c": 240}
HEADER = ("age", "weight", "height", "region", "smoker", "note", "sick")
MODEL = """
from sklearn.linear_model import LogisticRegression

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "linear"


def build():
    return LogisticRegression()
"""
PLAN = """
name: Words and features
model: model.py
data:
  dataset: wards
  exclude: [note]
  derive:
    - {make: ratio, of: [weight, height]}
    - {make: pca, of: [weight, height], components: 1}
seed: 4
cycles: 1
training: {epochs: 20}
preprocessing:
  impute: median
  missing_indicators: true
  encode: onehot
  scale: robust
  columns:
    smoker: {encode: ordinal}
"""
Cell = float | str | None
NAMES = ("age", "region=island", "region=north", "region=south", "smoker", "weight/height", "missing(age)", "pca_1")


def cells(edge: str, split: str) -> list[list[Cell]]:
    """Rows of one edge; only one has islanders, and nobody is trained on the west."""
    random = np.random.default_rng([list(ROWS).index(edge), split == "test"])
    rows: list[list[Cell]] = []
    for place in range(ROWS[edge] // (4 if split == "test" else 1)):
        region = ["north", "south", "island" if edge == "ward-c" else "north"][place % 3]
        age, weight, height = int(random.integers(18, 90)), random.normal(75, 12), random.normal(170, 10)
        risk = (age - 54) / 15 + (weight / height - 0.44) * 10 + (1.5 if region == "island" else 0.0)
        sick = "ill" if risk + random.normal() > 0 else "well"
        known = random.random() > 0.1
        where = "west" if split == "test" and place == 0 else region
        smoker = ("true", "false")[place % 2]
        rows.append(
            [
                age if known else None,
                round(weight, 3),
                round(height, 3) if place else 0.0,
                where,
                smoker,
                f"n{place}",
                sick,
            ]
        )
    return rows


def write(folder: Path) -> None:
    for edge in ROWS:
        for split in ("train", "test"):
            with (folder / f"{edge}-{split}.csv").open("w", newline="") as file:
                csv.writer(file).writerows([HEADER, *cells(edge, split)])


def dataset(folder: Path) -> Dataset:
    """The test rows of all edges as a worker would get them: plain columns, words as they stand there."""
    rows = [row for edge in ROWS for row in cells(edge, "test")]
    columns, arrays = [], {}
    for place, name in enumerate(HEADER):
        values: list[Any] = [row[place] for row in rows]
        if name in {"age", "weight", "height"}:
            columns.append(Column(name=name, encoding=Encoding.NUMBER))
            arrays[name] = np.array([np.nan if value is None else value for value in values], np.float64)
        else:
            labels = tuple(dict.fromkeys(values))
            columns.append(Column(name=name, encoding=Encoding.LABEL, labels=labels))
            arrays[name] = np.array([labels.index(value) for value in values], np.int32)
    write_dataset(folder, Index(rows={"test": len(rows)}, columns=tuple(columns)), {"test": arrays})
    return Dataset.open(folder)


@pytest.mark.timeout(400)
async def test_words_and_features_from_the_files_to_predictions(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, tmp_path / "federation")
    names = [argument for name in ROWS for argument in ("--edge", name)]
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "plan.yaml").write_text(PLAN)
    write(tmp_path)

    async def ingest(edge: str, *more: str) -> None:
        await terminal.succeed(
            *("ingest", "--edge", edge, "--dataset", "wards", "--target", "sick"),
            *("--category", "tabular_classification", "--train", f"{edge}-train.csv", "--test", f"{edge}-test.csv"),
            *("--words", "all", *more),
        )

    async with terminal.up(terminal.federation, *names, "--lease", "3"):
        for edge in ROWS:
            await ingest(edge, *(("--features-fixed",) if edge == "ward-b" else ()))
        status, code, message = await terminal.fail("run", "plan.yaml")
        assert (status, code) == (2, "dataset.mismatch")
        assert "ward-b does not permit features" in message
        await ingest("ward-b", "--features-modifiable")

        ran = await terminal.succeed("run", "plan.yaml", "--follow")
        assert ran["state"] == "completed"
        model = await terminal.succeed("download", ran["id"], "--out", "model")
        events = (await terminal.succeed("log", ran["id"]))["events"]
        replayed = await terminal.succeed("replay", ran["id"])
        again = await terminal.succeed("replay", ran["id"], "--retrain")
        registered = (await terminal.succeed("datasets"))["datasets"]
        assert (await terminal.succeed("verify"))["unproven"] == []

    assert replayed["equal"]
    assert again["equal"]
    opened = [event["body"]["cycle"] for event in events if event["type"] == "cycle.opened"]
    assert [(cycle["kind"], cycle["number"]) for cycle in opened][:4] == [
        *(("statistics", number) for number in range(3)),
        ("initialise", 0),
    ]
    assert "island" in str(registered)
    assert "west" not in str(registered), "a word of one test row was told to nobody"

    weights = read_weights(Path(model["path"]))
    _looks_like_all_rows_together(weights)
    predicted, truth = _predicted(weights, dataset(tmp_path / "raw"))
    accuracy = next(s["value"] for s in ran["scores"] if (s["name"], s["split"]) == ("accuracy", "test"))
    assert np.mean(predicted.codes == truth) == pytest.approx(accuracy)
    assert accuracy > 0.7


def _looks_like_all_rows_together(weights: Weights) -> None:
    """The ages' median and quartiles are those of all training rows: whole numbers are exact."""
    rows = [row for edge in ROWS for row in cells(edge, "train")]
    ages = np.array([row[0] for row in rows if row[0] is not None], np.float64)
    low, middle, high = np.quantile(ages, (0.25, 0.5, 0.75))
    fitted = weights.part("preprocessing")
    assert (fitted["mean"][0], fitted["scale"][0], fitted["fill"][0]) == (middle, high - low, middle)
    assert tuple(weights.about["inputs"]) == NAMES


def _predicted(weights: Weights, raw: Dataset) -> tuple[ClassPrediction, Any]:
    """What the downloaded model makes of raw columns, with nothing else at hand."""
    task = tabular.task_of(weights)
    table: Table = tabular.read(raw, "test", task)
    found = tabular.predict(table.features, weights, plugin.tabular(LogisticRegression(), task.problem), task)
    assert isinstance(found, ClassPrediction)
    return found, table.target
