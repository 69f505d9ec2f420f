"""A plan's strategy is checked before anything is sent, and all of its parameters are said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import Invalid
from muster.submission.submit import read_draft, settled
from support.jobs import LOGISTIC
from support.plans import plan_file


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("{name: fedmedain}", "did you mean 'fedmedian'"),
        ("{name: fedadam, parameters: {beta1: 0.5}}", "did you mean 'beta_1'"),
        ("{name: krum, parameters: {f: -1}}", "a whole number from 0"),
        ("{name: krum, parameters: {f: many}}", "valid number"),
        ("{name: krum, parameter: {f: 1}}", "did you mean 'parameters'"),
    ],
)
def test_what_is_wrong_in_a_plan_is_named(tmp_path: Path, strategy: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read_draft(plan_file(tmp_path, f"strategy: {strategy}"))


def test_the_values_of_a_plan_are_those_that_are_said(tmp_path: Path) -> None:
    strategy = read_draft(plan_file(tmp_path, "strategy: {name: multikrum, parameters: {f: 2}}")).plan.strategy
    assert settled(strategy.name, strategy.parameters).parameters == {"f": 2.0, "keep": 0.0}


def test_scaffold_is_refused_for_anything_but_plain_sgd(tmp_path: Path) -> None:
    torch = LOGISTIC.replace('"sklearn"', '"torch"')
    path = plan_file(tmp_path, "strategy: {name: scaffold}", model=torch)
    assert read_draft(path).plan.strategy.name == "scaffold"
    path.write_text(path.read_text() + "training: {optimizer: adam}\n")
    with pytest.raises(Invalid, match="plain SGD") as refused:
        read_draft(path)
    assert refused.value.code == "plan.training"
