"""The plan of the SDK is that of YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import muster
from training.plan import Training

PLAN: dict[str, Any] = {"name": "p", "model": "/files/model.py", "data": {"dataset": "cancer"}, "cycles": 2}


def test_with_changes_what_is_named_and_nothing_else() -> None:
    plan = muster.Plan(**PLAN, training={"epochs": 5, "optimizer": "sgd"})  # type: ignore[arg-type]
    other = plan.with_(training={"epochs": 3}, cycles=9)
    assert (other.training.epochs, other.training.optimizer, other.cycles) == (3, "sgd", 9)
    assert (plan.training.epochs, plan.cycles) == (5, 2)
    assert plan.with_(training=Training(epochs=4)).training == plan.with_(training={"epochs": 4}).training


def test_another_strategy_begins_with_its_own_parameters() -> None:
    plan = muster.Plan(**PLAN).with_(strategy={"name": "fedtrimmedavg", "parameters": {"beta": 0.2}})
    assert plan.with_(strategy={"name": "fedmedian"}).strategy.parameters == {}
    assert plan.with_(cycles=3).strategy.parameters == {"beta": 0.2}
    assert plan.with_(strategy={"parameters": {"beta": 0.1}}).strategy.name == "fedtrimmedavg"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"epoch": 3}}, "training.epoch is not a field; did you mean 'epochs'"),
        ({"cycles": 0}, "cycles: input should be greater than or equal to 1, found 0"),
        ({"training": {"optimizer": "adm"}}, "did you mean 'adam'"),
        ({"training": 3}, "training: "),
    ],
)
def test_wrong_values_are_told_at_once(change: dict[str, Any], message: str) -> None:
    plan = muster.Plan(**PLAN)
    with pytest.raises(muster.PlanRefused, match=message):
        plan.with_(**change)
    with pytest.raises(muster.PlanRefused, match=message):
        muster.Plan(**{**PLAN, **change})
    with pytest.raises(muster.PlanRefused, match=r"plan.with_\(cycles=...\)"):
        plan.cycles = 3  # type: ignore[misc]


def test_a_saved_plan_is_the_same_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = {"schedule": "cosine", "rate": 0.1, "over": 20, "end": 0.001}
    plan = muster.Plan(**{**PLAN, "model": tmp_path / "files" / "model.py"}, training={"learning_rate": rate})  # type: ignore[arg-type]
    path = plan.save(tmp_path / "plans" / "plan.yaml")
    assert "model: ../files/model.py" in path.read_text()
    monkeypatch.chdir(tmp_path / "plans")
    assert muster.Plan.load("plan.yaml") == plan


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(muster.PlanRefused, match="there is no plan") as caught:
        muster.Plan.load(tmp_path / "nothing.yaml")
    assert caught.value.code == "plan.missing"
    (tmp_path / "wrong.yaml").write_text("name: p\ncycle: 3\n")
    with pytest.raises(muster.PlanRefused, match=r"wrong.yaml cannot be used: .*did you mean 'cycles'"):
        muster.Plan.load(tmp_path / "wrong.yaml")
    (tmp_path / "file").write_text("")
    with pytest.raises(muster.PlanRefused, match="cannot be written"):
        muster.Plan(**PLAN).save(tmp_path / "file" / "plan.yaml")


def test_a_loss_file_is_found_from_wherever_the_plan_lies(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        "name: own\nmodel: m.py\ncycles: 2\ndata: {dataset: d}\ntraining: {epochs: 2, loss: {file: my/loss.py}}\n"
    )
    plan = muster.Plan.load(tmp_path / "plan.yaml")
    assert plan.training.own_loss is not None
    assert plan.training.own_loss.file == str(tmp_path / "my" / "loss.py")
    saved = plan.save(tmp_path / "kept" / "plan.yaml")
    assert "file: ../my/loss.py" in saved.read_text()
    assert muster.Plan.load(saved) == plan
