"""Scores as tables and figures."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import muster
from muster.sdk.figures import Figures
from muster.sdk.history import Confused, Scored, frame


def score(cycle: int, value: float | None, *, stage: str = "trained", split: str = "validation") -> Scored:
    return Scored(cycle, split, stage, "accuracy", value, 10, "mean over all rows", None, None if value else "no rows")


SCORES = (score(1, 0.5, stage="received"), score(1, 0.7), score(2, 0.7, stage="received"), score(2, None))


def test_a_table_has_a_row_per_score() -> None:
    found = frame(SCORES)
    assert list(found.columns) == ["cycle", "split", "stage", "metric", "value", "rows", "method", "within", "reason"]
    np.testing.assert_equal(found["value"].to_numpy(), [0.5, 0.7, 0.7, np.nan])
    assert found["value"].dtype == frame(())["value"].dtype == "float64"
    assert found.query("stage == 'received'")["cycle"].tolist() == [1, 2]


def test_a_curve_per_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    # A figure needs no backend: importing this would fail.
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    figure = Figures("trial", SCORES).learning_curve("validation.accuracy")
    (axes,) = figure.axes
    drawn = {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    assert drawn == {"as received": [[1, 0.5], [2, 0.7]], "after training at the edges": [[1, 0.7]]}
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_what_was_not_recorded_is_told() -> None:
    with pytest.raises(muster.NotFound, match=r"did you mean 'validation\.accuracy'"):
        Figures("trial", SCORES).learning_curve("validation.acuracy")
    with pytest.raises(muster.NotFound, match="no cycle has ended yet"):
        Figures("trial", ()).learning_curve()


def test_the_last_confusion_matrix_is_drawn() -> None:
    matrices = (Confused(1, "test", ((9, 9), (9, 9))), Confused(2, "test", ((5, 1), (0, 7))))
    (axes,) = Figures("trial", SCORES, ("no", "yes"), matrices).confusion_matrix().axes
    assert [text.get_text() for text in axes.texts] == ["5", "1", "0", "7"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["no", "yes"]
    assert axes.get_title() == "trial: test rows after cycle 2"
    with pytest.raises(muster.NotFound, match="no evaluation recorded one"):
        Figures("trial", SCORES, ("no", "yes"), matrices).confusion_matrix("train")
    with pytest.raises(muster.NotFound, match="does not tell classes apart"):
        Figures("trial", SCORES).confusion_matrix()


@pytest.mark.parametrize("name", ["pandas", "matplotlib.figure"])
def test_a_missing_library_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(muster.Configuration, match=r"pip install 'muster-fl\[notebook\]'"):
        frame(SCORES) if name == "pandas" else Figures("trial", SCORES).learning_curve()
