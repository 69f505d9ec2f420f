from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from training.errors import TrainingError
from training.weights import KEEP, MEAN, UNION, Weights, check_weights, read_weights, write_weights

WEIGHTS = Weights(
    {"model.coef": np.arange(6.0).reshape(2, 3), "preprocessing.mean": np.ones(3)},
    {"model.coef": MEAN, "preprocessing.mean": KEEP},
    {"estimator": "X"},
)


def test_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_weights(one, WEIGHTS)
    shuffled = Weights(
        dict(reversed(WEIGHTS.tensors.items())), dict(reversed(WEIGHTS.reductions.items())), WEIGHTS.about
    )
    write_weights(two, shuffled)
    assert one.read_bytes() == two.read_bytes()
    found = read_weights(one)
    assert found.reductions == WEIGHTS.reductions
    assert found.about == {"estimator": "X"}
    np.testing.assert_array_equal(found.part("model")["coef"], WEIGHTS.tensors["model.coef"])


def test_fortran_order_is_written_as_it_is_meant(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    write_weights(tmp_path / "w", Weights({"a": values}, {"a": MEAN}))
    np.testing.assert_array_equal(read_weights(tmp_path / "w").tensors["a"], values)


def written(tmp_path: Path, name: str, **tensors: np.ndarray) -> Path:
    path = tmp_path / name
    write_weights(path, WEIGHTS.replaced("model", tensors) if tensors else WEIGHTS)
    return path


def test_good_weights_may_leave(tmp_path: Path) -> None:
    reference = written(tmp_path, "reference")
    check_weights(written(tmp_path, "w", coef=np.zeros((2, 3))), reference=reference, max_bytes=10_000)


@pytest.mark.parametrize(
    ("coef", "code"),
    [
        (np.full((2, 3), np.nan), "weights.finite"),
        (np.full((2, 3), np.inf), "weights.finite"),
        (np.zeros((3, 2)), "weights.shape"),
        (np.zeros((2, 3), np.float32), "weights.shape"),
    ],
)
def test_bad_tensors_may_not_leave(tmp_path: Path, coef: np.ndarray, code: str) -> None:
    with pytest.raises(TrainingError) as caught:
        check_weights(written(tmp_path, "w", coef=coef), reference=written(tmp_path, "r"), max_bytes=10_000)
    assert caught.value.code == code


def test_bad_files_may_not_leave(tmp_path: Path) -> None:
    reference = written(tmp_path, "r")
    cases = {
        "weights.missing": tmp_path / "none",
        "weights.format": tmp_path / "pickle",
        "weights.empty": tmp_path / "e",
    }
    cases["weights.format"].write_bytes(pickle.dumps({"a": 1}))
    write_weights(cases["weights.empty"], Weights({}, {}))
    for code, path in cases.items():
        with pytest.raises(TrainingError) as caught:
            check_weights(path, reference=reference, max_bytes=10_000)
        assert caught.value.code == code
    with pytest.raises(TrainingError, match="at most 10 may leave"):
        check_weights(reference, reference=None, max_bytes=10)
    save_file({"a": np.zeros(1)}, tmp_path / "bare")
    with pytest.raises(TrainingError, match="reduction"):
        check_weights(tmp_path / "bare", reference=None, max_bytes=10_000)


TREES = Weights(
    {"model.size": np.arange(3), "model.leaf": np.ones((3, 2), np.float32), "model.node": np.ones((7, 2))},
    {"model.size": UNION, "model.leaf": f"{UNION}:members", "model.node": f"{UNION}:nodes"},
)


def grown(tmp_path: Path, **tensors: np.ndarray) -> Path:
    path = tmp_path / "update"
    write_weights(path, TREES.replaced("model", tensors))
    return path


def check_trees(tmp_path: Path, path: Path) -> None:
    reference = tmp_path / "trees"
    write_weights(reference, TREES)
    check_weights(path, reference=reference, max_bytes=10_000)


@pytest.mark.parametrize("members", [0, 1, 9])
def test_members_may_be_as_many_as_there_are(tmp_path: Path, members: int) -> None:
    update = {"size": np.arange(members), "leaf": np.ones((members, 2), np.float32), "node": np.ones((members + 5, 2))}
    check_trees(tmp_path, grown(tmp_path, **update))


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("leaf", np.ones((3, 3), np.float32), "weights.shape"),
        ("leaf", np.ones((3, 2)), "weights.shape"),
        ("leaf", np.ones(3, np.float32), "weights.shape"),
        ("leaf", np.ones((4, 2), np.float32), "weights.members"),
        ("node", np.ones(()), "weights.members"),
        ("node", np.full((1, 2), np.inf), "weights.finite"),
    ],
)
def test_members_that_do_not_fit_may_not_leave(tmp_path: Path, name: str, values: np.ndarray, code: str) -> None:
    with pytest.raises(TrainingError) as caught:
        check_trees(tmp_path, grown(tmp_path, **{name: values}))
    assert caught.value.code == code


def test_a_model_grows_by_members_and_takes_the_rest() -> None:
    whole = Weights({"t": np.array([1, 2]), "w": np.zeros(2)}, {"t": "union:x", "w": MEAN})
    after = whole.grown(Weights({"t": np.array([3]), "w": np.ones(2)}, whole.reductions))
    assert after.tensors["t"].tolist() == [1, 2, 3]
    assert after.tensors["w"].tolist() == [1, 1]
