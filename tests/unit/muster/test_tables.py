"""Rows in the forms in which people have them become the dataset that a worker reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bus.errors import Invalid, NotFound
from muster.tables import lay_out
from training.categories.tabular import Task, read_features
from training.dataset import Dataset
from training.preprocessing.preparation import Preparation

NUMBERS = Task(("a", "b"), "y", ("no", "yes"))
WORDS = Task(
    ("a", "ward"),
    "y",
    ("no", "yes"),
    Preparation.model_validate(
        {"columns": [{"name": "a"}, {"name": "ward", "words": ("east", "west"), "encode": "ordinal"}]}
    ),
)
NAN = np.nan


def read(rows: Any, task: Task, folder: Path) -> list[list[float]]:
    count = lay_out(rows, task, folder / "data")
    found = read_features(Dataset.open(folder / "data"), "test", task)
    assert len(found) == count
    return found.tolist()


CSV = "y,b,a,other\nno,2,1.5,x\nyes,,true,y\n"


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"b": [2, None], "a": [1.5, 1.0], "other": ["x", "y"]}),
        pd.DataFrame({"b": pd.array([2, pd.NA], "Int64"), "a": [1.5, True]}),
        {"a": [1.5, True], "b": ["2", ""]},
        np.array([[1.5, 2.0], [1.0, NAN]]),
        [[1.5, 2.0], [1.0, None]],
    ],
)
def test_all_forms_say_the_same(rows: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    expected = [[1.5, 2.0], [1.0, NAN]]
    np.testing.assert_equal(read(rows, NUMBERS, tmp_path), expected)
    np.testing.assert_equal(read(tmp_path / "rows.csv", NUMBERS, tmp_path / "again"), expected)


def test_words_are_what_the_edges_call_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "ward": ["west", None, "north", "east"]})
    np.testing.assert_equal(read(frame, WORDS, tmp_path), [[1, 1], [2, NAN], [3, -1], [4, 0]])


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        ({"a": [1]}, "predict.columns", "no column 'b'"),
        (pd.DataFrame({"a": [1], "B": [1]}), "predict.columns", "did you mean 'B'"),
        ({"a": [1], "b": [1, 2]}, "predict.rows", "different length"),
        (np.zeros((2, 3)), "predict.rows", r"shape \(2, 3\) where \(rows, 2\) .* order: a, b"),
        (np.zeros(2), "predict.rows", "shape"),
        ({"a": [1, "high"], "b": [1, 2]}, "predict.cell", "row 2 of column 'a' holds 'high'"),
        ({"a": [1], "b": [np.inf]}, "predict.cell", "finite"),
        ({"a": [1], "b": [[1]]}, "predict.cell", "row 1 of column 'b'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(rows: Any, code: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        lay_out(rows, NUMBERS, tmp_path / "data")
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["", "a,b\n1\n", 'a,b\n"1,2\n', "a,b\n1,2\n\xff"])
def test_a_file_that_is_no_table_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(Invalid, match=r"rows\.csv cannot be read as CSV"):
        lay_out(tmp_path / "rows.csv", NUMBERS, tmp_path / "data")
    with pytest.raises(NotFound, match="there is no file"):
        lay_out(str(tmp_path / "nothing.csv"), NUMBERS, tmp_path / "data")


def test_no_rows_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n")
    assert read(tmp_path / "rows.csv", NUMBERS, tmp_path) == []
