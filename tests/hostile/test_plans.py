"""Every bad choice of rows in a plan is told what is wrong with it, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bus.errors import Invalid
from bus.events.base import DatasetId, Digest, PrincipalId
from bus.events.datasets import Column, ColumnKind, DatasetRegistered, Split
from muster.submission.submit import read_draft, resolve
from support.jobs import LOGISTIC

PLAN: Final = """
name: Some rows
model: model.py
data: {{dataset: breast-cancer, rows: {rows}}}
cycles: 2
training: {{validation_split: {split}}}
"""
ROWS: Final = {"hospital-a": (162, 86), "hospital-b": (78, 58), "hospital-c": (28, 15)}
REFUSED: Final = [
    ("unknown class", "{classes: {benine: 10}}", 0, "plan.rows", "did you mean 'benign'?"),
    ("unknown edge", "{edges: {hospital-x: {total: 9}}}", 0, "plan.rows", "'hospital-x', which does not hold"),
    ("class of another edge", "{edges: {hospital-c: {classes: {odd: 9}}}}", 0, "plan.rows", "hospital-c does not have"),
    ("too many of a class", "{classes: {benign: 269}}", 0, "plan.rows", "all edges together have 268"),
    ("too many at an edge", "{edges: {hospital-c: {classes: {benign: 29}}}}", 0, "plan.rows", "hospital-c has 28"),
    ("too many in all", "{total: 428}", 0, "plan.rows", "all edges together have 427"),
    ("too few for an owner", "{total: 20}", 0, "plan.rows", "its owner permits no fewer than 5"),
    ("none", "{classes: {benign: 0}}", 0, "plan.field", "data.rows.classes: 0 rows of benign are asked for"),
    ("no share", "{share: 0}", 0, "plan.field", "data.rows.share: input should be greater than 0"),
    ("two ways at once", "{share: 0.5, total: 50}", 0, "plan.field", "say exactly one of share, total, classes, edges"),
    ("a misspelt way", "{clases: {benign: 50}}", 0, "plan.field", "did you mean 'classes'?"),
    ("a list", "[benign, 50]", 0, "plan.field", "data.rows: input should be"),
    ("split too small", "{total: 100}", 0.1, "plan.validation", "hospital-c has 10 rows to learn from, and needs 0.2"),
    ("split too large", "{total: 100}", 0.6, "plan.field", "training.validation_split: input should be less than"),
]


def registered(edge: str, benign: int, malignant: int) -> DatasetRegistered:
    return DatasetRegistered(
        dataset=DatasetId("breast-cancer"),
        edge=PrincipalId(edge),
        revision=1,
        category="tabular_classification",
        target="diagnosis",
        columns=(
            Column(name="radius", kind=ColumnKind.REAL, sql_type="DOUBLE"),
            Column(name="diagnosis", kind=ColumnKind.TEXT, sql_type="TEXT"),
        ),
        splits={"train": Split(rows=benign + malignant, classes={"benign": benign, "malignant": malignant})},
        digest=Digest("sha256:d"),
    )


DATASETS: Final = {"breast-cancer": {PrincipalId(edge): registered(edge, *rows) for edge, rows in ROWS.items()}}


def submitted(folder: Path, rows: str, split: float) -> None:
    (folder / "model.py").write_text(LOGISTIC)
    (folder / "plan.yaml").write_text(PLAN.format(rows=rows, split=split))
    resolve(read_draft(folder / "plan.yaml"), DATASETS)


@pytest.mark.parametrize(("what", "rows", "split", "code", "words"), REFUSED, ids=[each[0] for each in REFUSED])
def test_before_anything_is_sent(what: str, rows: str, split: float, code: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        submitted(tmp_path, rows, split)
    assert (caught.value.code, words in caught.value.message) == (code, True), (what, caught.value.message)


def test_the_same_plan_with_a_good_choice_is_taken(tmp_path: Path) -> None:
    submitted(tmp_path, "{classes: {benign: 100, malignant: 80}}", 0.2)
