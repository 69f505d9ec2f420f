"""What a worker writes as predictions is believed only if it can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.categories.tabular import Task
from training.errors import TrainingError
from training.scores import ClassPrediction
from training.worker.predictions import Predictions, read_predictions

CLASSES = Task(("a",), "y", ("no", 'a, "b"\n'))
NUMBER = Task(("a",), "y", None)
SHARES = np.array([[0.25, 0.75], [0.1, 0.9], [1.0, 0.0]])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "predictions.csv"


@pytest.mark.parametrize("shares", [SHARES, None])
def test_classes_come_back_as_they_are_called(path: Path, shares: np.ndarray | None) -> None:
    said = Predictions.of(ClassPrediction(np.array([1, 1, 0]), shares), CLASSES)
    said.write(path, CLASSES)
    found = read_predictions(path, CLASSES, rows=3)
    assert found.values.tolist() == ['a, "b"\n', 'a, "b"\n', "no"]
    np.testing.assert_equal(found.probabilities, shares)


def test_numbers_come_back_bit_for_bit(path: Path) -> None:
    Predictions.of(np.array([0.1, 1e-300, 3.0]), NUMBER).write(path, NUMBER)
    assert read_predictions(path, NUMBER, rows=3).values.tolist() == [0.1, 1e-300, 3.0]


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("", NUMBER),
        ("y\n1\n", NUMBER),
        ("y\n1\n2,3\n", NUMBER),
        ("y\n1\nnan\n", NUMBER),
        ("y\n1\nmany\n", NUMBER),
        ("y\nno\nmaybe\n", CLASSES),
        ("y,p,q\nno,1,0\nno,1,inf\n", CLASSES),
        ("y,p\nno,1\nno,1\n", CLASSES),
        ('y\n"no\nno\n', CLASSES),
    ],
)
def test_other_content_is_refused(path: Path, text: str, task: Task) -> None:
    path.write_text(text)
    with pytest.raises(TrainingError, match="no predictions of 2 rows") as caught:
        read_predictions(path, task, rows=2)
    assert caught.value.code == "predictions.format"


def test_a_link_to_another_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("y\n1\n")
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(TrainingError, match=r"wrote no predictions\.csv"):
        read_predictions(path, NUMBER, rows=1)
