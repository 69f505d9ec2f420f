"""The script that records a release's histories works: when a release is due it is too late to find out."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest

from replay.history import FOLDER, load, summary

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_history", ROOT / "scripts" / "record_history.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for the names of types
    spec.loader.exec_module(module)
    return module


async def test_a_history_is_recorded_anew(recorder: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "completed.jsonl"
    await recorder.record(recorder.completed, path)
    found = summary(load(path))
    kept = json.loads((FOLDER / recorder.release() / "completed.json").read_text())
    for part in ("experiments", "cases", "live", "paused", "unproven"):
        assert found[part] == kept[part]
    # The audit sink signs when the log rests: how often is not fixed.
    assert {**found["types"], "audit.checkpointed": 0} == {**kept["types"], "audit.checkpointed": 0}


def test_every_history_of_this_release_has_its_scenario(recorder: ModuleType) -> None:
    found = {path.stem for path in (FOLDER / recorder.release()).glob("*.jsonl")}
    assert found == set(recorder.SCENARIOS), "run scripts/record_history.py before the release is tagged"


def test_what_was_recorded_is_not_overwritten(recorder: ModuleType) -> None:
    with patch.object(recorder, "record") as record, pytest.raises(SystemExit, match="stays"):
        recorder.main(again=False)
    assert not record.called
