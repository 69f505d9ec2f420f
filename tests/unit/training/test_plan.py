from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import TrainingError
from training.plan import Plan

GOOD = "name: n\nmodel: m.py\ndata: {dataset: d}\ncycles: 3\n"


def load(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return Plan.load(path)


def test_defaults(tmp_path: Path) -> None:
    plan = load(tmp_path, GOOD)
    assert plan.strategy.name == "fedavg"
    assert plan.training.epochs == 1
    assert plan.data.features is None


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("name: [", "plan.yaml", "line 1"),
        ("- a\n", "plan.yaml", "no fields"),
        (GOOD + "cycels: 3\n", "plan.field", "cycels is not a field; did you mean 'cycles'?"),
        (GOOD + "training: {epoch: 3}\n", "plan.field", "training.epoch is not a field; did you mean 'epochs'?"),
        (GOOD.replace("cycles: 3", "cycles: three"), "plan.field", "cycles: input should be a valid integer"),
        (GOOD.replace("cycles: 3", "cycles: 0"), "plan.field", "found 0"),
        ("name: n\n", "plan.field", "model is missing"),
        (GOOD + "training: {validation_split: 1}\n", "plan.field", "less than or equal to 0.5"),
    ],
)
def test_a_bad_plan_is_told_what_is_wrong(tmp_path: Path, text: str, code: str, words: str) -> None:
    with pytest.raises(TrainingError, match=r"plan\.yaml") as caught:
        load(tmp_path, text)
    assert caught.value.code == code
    assert words in caught.value.message


def test_every_wrong_field_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        load(tmp_path, "name: n\ncycles: 0\nextra: 1\n")
    for word in ("model is missing", "data is missing", "cycles:", "extra is not a field"):
        assert word in caught.value.message


def test_a_missing_plan(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is no plan"):
        Plan.load(tmp_path / "nothing.yaml")


def test_the_digest_follows_content_not_file_names(tmp_path: Path) -> None:
    plan = load(tmp_path, GOOD)
    renamed = load(tmp_path, GOOD.replace("m.py", "other.py"))
    other = load(tmp_path, GOOD.replace("cycles: 3", "cycles: 4"))
    assert plan.digest(b"code") == renamed.digest(b"code")
    assert len({plan.digest(b"code"), other.digest(b"code"), plan.digest(b"changed")}) == 3
