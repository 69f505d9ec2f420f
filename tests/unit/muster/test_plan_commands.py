"""``muster plan``: plans looked at without a federation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from muster.cli.main import app
from support.plans import plan_file
from training.plan import Plan

EXAMPLES = Path(__file__).parents[3] / "examples"


def plan(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)], env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/plan.yaml")), ids=lambda path: path.parent.name)
def test_every_example_can_be_run(path: Path) -> None:
    done = plan("check", path)
    assert done.exit_code == 0, done.output
    assert "plan.yaml can be run" in done.stdout


def test_it_says_what_the_plan_comes_to(tmp_path: Path) -> None:
    found = json.loads(plan("check", plan_file(tmp_path, "training: {epochs: 3}"), "--json").stdout)
    assert (found["framework"], found["category"]) == ("sklearn", "tabular_classification")
    assert found["plan"]["training"]["epochs"] == 3
    assert found["digest"].startswith("sha256:")


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        (("cycels: 2",), "plan.field", "cycels is not a field; did you mean 'cycles'?"),
        (("training: {epochs: 0}", "quorum: none"), "plan.field", "training.epochs: input should be greater"),
        (("strategy: {name: fedavrg}",), "plan.strategy", "did you mean 'fedavg'?"),
        (("training: {class_weights: balancd}",), "plan.field", "did you mean 'balanced'?"),
        (("training: {class_weights: {a: 0}}",), "plan.field", "training.class_weights.a: input should be greater"),
        (("training: {class_weights: {a: .inf}}",), "plan.field", "training.class_weights.a: input should be a finite"),
        (("training: {class_weights: {}}",), "plan.field", "training.class_weights: dictionary should have at least 1"),
        (("training: {class_weights: [1, 2]}",), "plan.field", "training.class_weights: input should be 'balanced'"),
        (("training: {loss: hubert}",), "plan.field", "training.loss: 'hubert' is not known; did you mean 'huber'?"),
        (("training: {loss: 3}",), "plan.field", "training.loss: input should be 'cross_entropy'"),
        (("training: {loss: {fil: loss.py}}",), "plan.field", "fil is not a field; did you mean 'file'?"),
        (("training: {loss: {}}",), "plan.field", "training.loss.file is missing"),
        (("training: {loss: {file: gone.py}}",), "loss.file", "the loss file gone.py is not there"),
        (("training: {loss: {file: l.py}, class_weights: balanced}",), "plan.field", "a loss file gives one number"),
        (("training: {optimizer_state: keeep}",), "plan.field", "did you mean 'keep'?"),
        (("training: {optimizer_state: keep}", "strategy: {name: scaffold}"), "plan.training", "has nothing to keep"),
        (("transport: {encoding: {keep: 0.1}}", "strategy: {name: krum}"), "encoding.strategy", "krum"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, lines: tuple[str, ...], code: str, words: str) -> None:
    done = plan("check", plan_file(tmp_path, *lines), "--json")
    assert done.exit_code != 0
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert error["code"] == code
    assert words in error["message"]


def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    done = plan("check", plan_file(tmp_path, "training: {epochs: 0}", "quorum: none"), "--json")
    message = json.loads(done.stdout)["error"]["message"]
    assert "training.epochs" in message
    assert "quorum" in message


def test_the_schema_knows_every_field_and_no_other() -> None:
    found = json.loads(plan("schema").stdout)
    assert found["properties"].keys() == Plan.model_fields.keys()
    assert found["additionalProperties"] is False
    assert set(found["required"]) == {"name", "model", "data", "cycles"}
    for section in found["$defs"].values():
        if section.get("type") == "object":
            assert section["additionalProperties"] is False, section["title"]
