"""What a plan takes from its model file, and what of it is held to the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bus.errors import Invalid
from bus.events.base import DatasetId, PrincipalId
from bus.events.datasets import Column, ColumnKind, DatasetRegistered, Split
from muster.submission.submit import Draft, read_draft, resolve
from training.contract.model import read_model

MODEL = """
framework = "torch"
category = "tabular_classification"
main_class = "Network"
{}

class Network: ...
"""
EDGE = PrincipalId("hospital-a")


def draft(folder: Path, header: str = "", plan: str = "") -> Draft:
    (folder / "net.py").write_text(MODEL.format(header))
    path = folder / "plan.yaml"
    path.write_text(f"name: x\nmodel: net.py\ndata: {{dataset: d}}\ncycles: 1\n{plan}\n")
    return read_draft(path)


@pytest.mark.parametrize(
    ("header", "plan", "rows"),
    [
        ("batch_size = 16", "", 16),
        ("batch_size = 16", "training: {batch_size: 4}", 4),
        ("", "training: {batch_size: 4}", 4),
        ("", "", None),
    ],
)
def test_the_batch_size_of_the_file_is_the_default_of_the_plan(
    tmp_path: Path, header: str, plan: str, rows: int | None
) -> None:
    assert draft(tmp_path, header, plan).plan.training.batch_size == rows


def test_weights_beside_the_file_are_taken_and_are_part_of_the_digest(tmp_path: Path) -> None:
    bare = draft(tmp_path)
    digests = {bare.digest}
    assert bare.model.weights is None
    for value in (0.0, 1.0):
        save_file({"w": np.full(3, value)}, tmp_path / "net_weights.safetensors")
        with_weights = draft(tmp_path)
        assert with_weights.model.weights == tmp_path / "net_weights.safetensors"
        digests.add(with_weights.digest)
    assert len(digests) == 3
    (tmp_path / "net_weights.safetensors").rename(tmp_path / "other.safetensors")
    named = draft(tmp_path, plan="weights: other.safetensors")
    assert named.digest in digests, "where the weights lie changes nothing"


@pytest.mark.parametrize(
    ("file", "plan", "code"),
    [
        (None, "weights: gone.safetensors", "pretrained.missing"),
        ("net_weights.pkl", "", "pretrained.format"),
        ("old.pth", "weights: old.pth", "pretrained.format"),
    ],
)
def test_weights_that_cannot_be_used(tmp_path: Path, file: str | None, plan: str, code: str) -> None:
    if file is not None:
        (tmp_path / file).write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(Invalid) as caught:
        draft(tmp_path, plan=plan)
    assert caught.value.code == code


def registered(**columns: ColumnKind) -> dict[DatasetId, dict[PrincipalId, DatasetRegistered]]:
    return {DatasetId("d"): {EDGE: body(columns)}}


def body(columns: dict[str, ColumnKind]) -> DatasetRegistered:
    facts: dict[str, Any] = {
        "edge": EDGE,
        "dataset": "d",
        "category": "tabular_classification",
        "target": "y",
        "columns": [Column(name=name, kind=kind, sql_type="") for name, kind in columns.items()],
        "splits": {"train": Split(rows=9, classes={"a": 3, "b": 3, "c": 3})},
        "digest": "sha256:d",
        "revision": 1,
    }
    return DatasetRegistered.model_validate(facts)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("num_feature_points = 2\noutput_classes = 3\ninput_shape = (2,)", None),
        ("num_feature_points = 3", "declares num_feature_points = 3, the data has 2"),
        ("output_classes = 2", "declares output_classes = 2, the data has 3"),
        ("input_shape = (1, 2)", "declares input_shape = (1, 2)"),
    ],
)
def test_what_the_header_declares_is_held_to_the_data(tmp_path: Path, header: str, words: str | None) -> None:
    datasets = registered(f0=ColumnKind.REAL, f1=ColumnKind.REAL, y=ColumnKind.TEXT)
    if words is None:
        assert resolve(draft(tmp_path, header), datasets)[0].classes == ("a", "b", "c")
        return
    with pytest.raises(Invalid) as caught:
        resolve(draft(tmp_path, header), datasets)
    assert (caught.value.code, words in caught.value.message) == ("dataset.mismatch", True)


LOSS = "training: {{loss: {{file: {}}}}}"


def test_a_loss_file_travels_with_the_model_and_is_part_of_the_digest(tmp_path: Path) -> None:
    bare, digests = draft(tmp_path), set()
    for place in ("loss.py", "elsewhere/loss.py"):
        for value in (1, 2):
            (tmp_path / place).parent.mkdir(exist_ok=True)
            (tmp_path / place).write_text(f"def loss(outputs, targets): return {value}\n")
            found = draft(tmp_path, plan=LOSS.format(place))
            digests.add(found.digest)
            sources = read_model(found.model.code).sources
            assert sources == {"model.py": bare.model.code, "loss.py": (tmp_path / place).read_bytes()}
            assert found.plan.training.canonical.count("loss.py") == 1
            assert "elsewhere" not in found.plan.training.canonical, "where it lies is nobody's business"
    assert len(digests) == 2, "what it holds counts, and where it lies does not"
    assert bare.digest not in digests


def test_a_loss_file_that_cannot_be_packed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"the loss file gone\.py is not there") as caught:
        draft(tmp_path, plan=LOSS.format("gone.py"))
    assert caught.value.code == "loss.file"
