"""``muster model check``: what a vendor sees of the eight checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from typer.testing import CliRunner, Result

from hostile.models import zipped
from muster.cli.main import app
from training.contract.report import Check

MAIN = b"""
from helper import made

framework = "sklearn"
category = "tabular_classification"
main_method = "build"
model_type = "neural_network"
num_feature_points = 3
output_classes = 4

def build():
    return made()
"""
HELPER = b"""
from sklearn.neural_network import MLPClassifier

def made():
    return MLPClassifier((5,), learning_rate_init=0.01)
"""


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["model", "check", *map(str, arguments)], env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "beside"])
def test_a_good_model_of_two_files_with_weights(tmp_path: Path, inside: bool) -> None:
    shapes: dict[str, Any] = {"coef.0": (3, 5), "coef.1": (5, 4), "intercept.0": (5,), "intercept.1": (4,)}
    weights = save({f"model.{name}": np.ones(shape) for name, shape in shapes.items()})
    files = {"net.py": MAIN, "helper.py": HELPER, "__MACOSX/._net.py": b"\0", ".DS_Store": b"\0"}
    path = tmp_path / "net.zip"
    path.write_bytes(zipped({**files, **({"net_weights.safetensors": weights} if inside else {})}))
    if not inside:
        (tmp_path / "net_weights.safetensors").write_bytes(weights)
    done = check(path, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    states = {step["check"]: step["state"] for step in report["steps"]}
    assert states == {**dict.fromkeys(map(str, Check), "passed"), "adapters": "skipped"}
    (counted,) = [step["found"] for step in report["steps"] if step["check"] == "parameters"]
    assert counted == "44, pretrained weights in their place"
    assert [line.split()[:2] for line in done.stderr.splitlines()][:2] == [["✓", "loads"], ["✓", "framework"]]


def test_a_bad_model_ends_at_the_check_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "net.zip"
    path.write_bytes(zipped({"net.py": MAIN, "helper.py": HELPER}))
    done = check(path, "--classes", "5", "--json")
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["number"]) == ("contract.data", "M1610")
    assert error["message"].startswith(
        "the model fails check 3 of 8, outputs: the model file declares output_classes = 4"
    )
    assert error["details"]["fix"].startswith("correct the header")
    lines = [line.split()[:2] for line in done.stderr.splitlines()]
    assert lines[:3] == [["✓", "loads"], ["✓", "framework"], ["✗", "outputs"]]
    assert ["-", "averages"] in lines


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("net_weights.pth", b"PK\x03\x04", "pretrained.format", "safetensors.torch.save_file"),
        ("net_weights.safetensors", b"\x80\x04K\x01.", "pretrained.format", "cannot be used"),
        ("other.safetensors", None, "pretrained.missing", "there is no weights file"),
    ],
)
def test_bad_weights_are_found_before_anything_runs(
    tmp_path: Path, name: str, content: bytes | None, code: str, words: str
) -> None:
    path = tmp_path / "net.py"
    path.write_bytes(MAIN + HELPER.replace(b"def made", b"def other"))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = check(path, "--json", *(() if content is not None else ("--weights", tmp_path / name)))
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"], words in error["message"]) == (2, code, True), error


def test_weights_inside_and_beside_are_too_many(tmp_path: Path) -> None:
    weights = save({"coef": np.zeros((2, 3))})
    (tmp_path / "net.zip").write_bytes(zipped({"net.py": MAIN, "net_weights.safetensors": weights}))
    (tmp_path / "net_weights.safetensors").write_bytes(weights)
    done = check(tmp_path / "net.zip", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"]) == (2, "pretrained.mismatch")
    assert "leave one of them out" in error["message"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = check(tmp_path / "gone.py", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "model.missing"
