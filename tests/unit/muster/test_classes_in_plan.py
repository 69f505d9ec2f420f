"""What a plan says about classes against what edges registered: the same numbers for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.errors import Invalid
from bus.events.base import DatasetId, PrincipalId
from bus.events.datasets import DatasetRegistered, Split
from muster.submission import classes
from muster.submission.submit import read_draft, resolve
from training.plan import Training

MODEL = """
framework = "sklearn"
category = "tabular_{}"
main_method = "build"

def build(): ...
"""


def held(edge: str, train: dict[str, int] | None, test: dict[str, int] | None = None) -> DatasetRegistered:
    facts: dict[str, Any] = {
        "edge": edge,
        "dataset": "d",
        "category": "tabular_classification" if train is not None else "tabular_regression",
        "target": "y",
        "columns": [{"name": "x", "kind": "real", "sql_type": ""}, {"name": "y", "kind": "text", "sql_type": ""}],
        "splits": {"train": {"rows": 9, "classes": train}, "test": {"rows": 9, "classes": test}},
        "digest": "sha256:d",
        "revision": 1,
    }
    return DatasetRegistered.model_validate(facts)


HOLDERS = {
    PrincipalId("edge-a"): held("edge-a", {"ill": 2, "well": 10}, {"ill": 100}),
    PrincipalId("edge-b"): held("edge-b", {"well": 20}, {"unknown": 1}),
}
DATASETS = {DatasetId("d"): HOLDERS}


def resolved(folder: Path, weights: str, kind: str = "classification") -> Training:
    (folder / "model.py").write_text(MODEL.format(kind))
    path = folder / "plan.yaml"
    lines = f"name: x\nmodel: model.py\ndata: {{dataset: d}}\ncycles: 1\ntraining: {{class_weights: {weights}}}\n"
    path.write_text(lines)
    draft = read_draft(path)
    resolve(draft, DATASETS)
    return classes.weighted(draft.plan.training, HOLDERS, {})


def test_balanced_counts_the_training_rows_of_all_edges(tmp_path: Path) -> None:
    assert resolved(tmp_path, "balanced").class_weights == {"ill": 32 / 4, "well": 32 / 60}


def test_balanced_counts_the_rows_that_are_taken() -> None:
    taken = {PrincipalId("edge-b"): Split(rows=2, classes={"well": 2})}
    found = classes.weighted(Training(class_weights="balanced"), HOLDERS, taken)
    assert found.class_weights == {"ill": 14 / 4, "well": 14 / 24}


def test_numbers_hold_for_any_label_that_an_edge_has(tmp_path: Path) -> None:
    assert resolved(tmp_path, "{ill: 3, unknown: 1.5}").class_weights == {"ill": 3.0, "unknown": 1.5}


def test_what_does_not_fit_is_told_at_submission(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"names 'wel', which is no class of the target; did you mean 'well'\?") as caught:
        resolved(tmp_path, "{wel: 2}")
    assert caught.value.code == "plan.training"
    with pytest.raises(Invalid, match="the target is a number"):
        resolved(tmp_path, "balanced", "regression")


def test_on_made_up_rows_balanced_is_one() -> None:
    training = Training(class_weights="balanced")
    assert classes.stood_in(training, ("a", "b")).class_weights == {"a": 1.0, "b": 1.0}
    said = Training(class_weights={"a": 2.0})
    assert classes.stood_in(said, ("a", "b")) is said
    assert classes.weighted(Training(), HOLDERS, {}) == Training()
