"""The federation in memory that users' tests have: real services, real workers, nothing left behind."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import muster
from muster.testing.files import written
from support.jobs import LOGISTIC

CATEGORY = "tabular_classification"


def frame(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    classes = np.arange(rows) % 3 == 0
    features = random.normal(size=(rows, 2)) + 3 * classes[:, None]
    return pd.DataFrame({"f0": features[:, 0], "f1": features[:, 1], "y": np.where(classes, "sick", "well")})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(LOGISTIC)
    return tmp_path / "model.py"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_from_rows_to_predictions(model: Path, temporary: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    frame(40, 2).to_csv(tmp_path / "b.csv", index=False)
    data = {"a": (frame(40, 1), frame(8, 3)), "b": tmp_path / "b.csv"}
    with muster.testing.federation(data, target="y", category=CATEGORY, dataset="cancer") as fed:
        assert {each.edge: dict(each.rows) for each in fed.datasets()} == {
            "a": {"train": 40, "test": 8},
            "b": {"train": 30, "test": 10},
        }
        checked = fed.upload(model, progress=False)
        run = fed.start(fed.link(checked, "cancer").plan("trial", cycles=1, training={"epochs": 20}))
        assert run.wait(timeout_s=120).state == "completed"
        assert run.status == fed.experiment(run.id[-6:]).status
        artefact = run.download(tmp_path / "out")
        assert set(run.history()["split"]) == {"train", "test"}
        (axes,) = run.figures.confusion_matrix().axes
        assert sum(int(text.get_text()) for text in axes.texts) == 8 + 10
    assert list(temporary.iterdir()) == []
    assert set(threading.enumerate()) == before
    rows = frame(30, 9)
    assert (artefact.predict(rows) == rows["y"].to_numpy()).mean() > 0.9
    assert muster.load(tmp_path / "out").predict_proba(rows).shape == (30, 2)
    (tmp_path / "out" / "submitted.py").write_text("framework = 1")
    with pytest.raises(muster.Integrity, match="not what was downloaded"):
        muster.load(tmp_path / "out")


async def test_what_fails_within_is_raised_as_it_is(temporary: Path) -> None:
    with pytest.raises(KeyError):
        async with muster.testing.running({"a": frame(20, 1)}, target="y", category=CATEGORY, dataset="d") as fed:
            assert [each.name for each in await fed.edges()] == ["a"]
            raise KeyError
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "target", "kind", "message"),
    [
        ({"a": [[1, 2]]}, "y", muster.Invalid, "rows of a are of type list"),
        ({"a": (frame(8, 1),)}, "y", muster.Invalid, "give two, train and test"),
        ({"a": "nothing.csv"}, "y", muster.NotFound, r"no file nothing\.csv, the rows of a"),
        ({"a": frame(8, 1)}, "z", muster.MusterError, "'z'"),
        ({"coordinator": frame(8, 1)}, "y", muster.Invalid, "stands for two things"),
    ],
)
def test_rows_that_cannot_be_used_are_told(
    data: dict[str, Any], target: str, kind: type[Exception], message: str, temporary: Path
) -> None:
    with pytest.raises(kind, match=message):
        muster.testing.federation(data, target=target, category=CATEGORY)
    assert list(temporary.iterdir()) == []


def test_cells_become_text_that_edges_understand(tmp_path: Path) -> None:
    rows = pd.DataFrame({"n": pd.array([1, None], "Int64"), "x": [0.1, np.nan], "b": [True, False], "t": ["a,b", None]})
    path = written((rows, rows), tmp_path, "a")["train"]
    assert path.read_text().splitlines() == ["n,x,b,t", '1,0.1,True,"a,b"', ",,False,"]
