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


def test_a_loss_file_is_found_from_anywhere_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = {"loss": {"file": str(tmp_path / "files" / "loss.py")}}
    plan = muster.Plan(**{**PLAN, "model": tmp_path / "files" / "model.py"}, training=loss)  # type: ignore[arg-type]
    path = plan.save(tmp_path / "plans" / "plan.yaml")
    assert "file: ../files/loss.py" in path.read_text()
    monkeypatch.chdir(tmp_path / "plans")
    assert muster.Plan.load("plan.yaml") == plan
    assert plan.with_(training={"epochs": 3}).training.own_loss == plan.training.own_loss
    assert plan.with_(training={"loss": "mse"}).training.own_loss is None


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
