"""Real processes under seeded schedules of faults. ``make faults`` runs hundreds; this is a slice of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.faults import KINDS, campaign, table

from .conftest import needs_mounts


@needs_mounts
@pytest.mark.timeout(400)
async def test_a_few_schedules(tmp_path: Path) -> None:
    outcomes = [outcome async for outcome in campaign(tmp_path, range(3))]
    assert all(outcome.good for outcome in outcomes), table(outcomes, 0.0)
    assert {kind for outcome in outcomes for kind, _, _ in outcome.faults} == set(KINDS), table(outcomes, 0.0)


def test_the_tests_that_hold_incidents_exist() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "explanation" / "faults.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 12
    for file, test in named:
        assert f"def {test}" in (root / file).read_text(), f"{file}::{test}"
