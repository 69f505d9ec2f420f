"""Kill -9 a real ingest: the dataset is the old one or the new one, and the next run completes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.ingest import reader

DRIVER = Path(__file__).with_name("crash_driver.py")
BIG_DRIVER = Path(__file__).with_name("load_driver.py")
ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}

OLD = [[1, "a"], [2, "b"], [3, "a"]]
NEW = [[4, "a"], [5, "b"], [6, "c"], [7, "c"], [8, "a"]]
OLD_TEST = [[11, "a"], [12, "b"]]
NEW_TEST = [[13, "b"], [14, "a"], [15, "a"]]
BATCH, ROWS = 500, 20_000


def write(path: Path, rows: list[list[object]]) -> Path:
    path.write_text("age,kind\n" + "".join(f"{age},{kind}\n" for age, kind in rows))
    return path


@pytest.mark.parametrize("mode", ["create", "replace", "append"])
def test_killed_at_any_statement_the_old_or_the_new_holds(store_url: str, tmp_path: Path, mode: str) -> None:
    files = [str(write(tmp_path / name, rows)) for name, rows in (("old.csv", OLD), ("new.csv", NEW))]
    for name, rows in (("old.test.csv", OLD_TEST), ("new.test.csv", NEW_TEST)):
        write(tmp_path / name, rows)
    command = [sys.executable, "-W", "error", str(DRIVER), store_url, mode, *files]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    old, new = [OLD, OLD_TEST], [NEW, NEW_TEST]
    before = None if mode == "create" else old
    after = [[*OLD, *NEW], [*OLD_TEST, *NEW_TEST]] if mode == "append" else new
    assert len(rounds) > 20
    assert all(turn["found"] in (before, after) for turn in rounds)
    assert all(turn["again"] == after for turn in rounds)
    assert {turn["left"] for turn in rounds} == {"{}"}
    assert {turn["ended"] for turn in rounds[:-1]} == {-signal.SIGKILL}
    found = [turn["found"] == after for turn in rounds]
    assert found == sorted(found)
    assert found[0] is False
    assert found[-1] is True


def test_killed_in_the_middle_of_a_big_file(store_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "big.csv", [[place, "ab"[place % 2]] for place in range(ROWS)])
    command = [sys.executable, "-W", "error", str(BIG_DRIVER), store_url, str(path), str(BATCH)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            step, rows = line.split()
            if step == "store" and int(rows) >= ROWS // 2:
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    assert reader.read_split(store_url, "big", "train") is None
    assert reader.leftovers(store_url) != {}
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert reader.read_split(store_url, "big", "train") == [(place, "ab"[place % 2]) for place in range(ROWS)]
    assert reader.leftovers(store_url) == {}
