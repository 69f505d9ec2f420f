from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.edges import task_for
from training import splitting
from training.categories import tabular
from training.categories.tabular import Table, Task
from training.dataset import Column, Dataset, Encoding, Index, write_dataset
from training.errors import TrainingError
from training.guidance import Run
from training.plan import Training
from training.preprocessing import fit
from training.preprocessing.asked import Kind, Known
from training.preprocessing.choices import Preprocessing
from training.registry import Problem
from training.scores import ClassPrediction, Where
from training.scoring.classes import classification
from training.scoring.numbers import regression
from training.splitting import least_share
from training.weights import Weights

TASK = Task(("a", "b"), "y", ("no", "yes"))
WHERE = Where("test", "received")


def summed(tables: list[Table], task: Task) -> Weights:
    parts = [tabular.statistics(table, task) for table in tables]
    return Weights({n: sum(p.tensors[n] for p in parts) for n in parts[0].tensors}, parts[0].reductions)


def test_statistics_over_edges_are_those_of_all_rows() -> None:
    random = np.random.default_rng(3)
    features = random.normal(50.0, 7.0, (300, 2))
    features[::7, 1] = np.nan
    table = Table(features, np.zeros(300, np.int64))
    parts = [table.take(np.arange(0, 20)), table.take(np.arange(20, 140)), table.take(np.arange(140, 300))]
    found = fit.fitted(summed(parts, TASK), TASK.prepared)
    np.testing.assert_allclose(found["mean"], np.nanmean(features, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["scale"], np.nanstd(features, axis=0), rtol=1e-9)


def test_a_column_that_does_not_vary_keeps_its_scale() -> None:
    features = np.column_stack([np.full(5, 1e9 + 0.1), np.full(5, np.nan)])
    found = fit.fitted(summed([Table(features, np.zeros(5, np.int64))], TASK), TASK.prepared)
    np.testing.assert_array_equal(found["scale"], [1.0, 1.0])
    assert found["mean"][1] == 0.0


def test_a_regressions_target_is_standardised_too() -> None:
    task = Task(("a",), "y", None)
    sums = summed([Table(np.arange(4.0)[:, None], np.array([10.0, 20.0, 30.0, 40.0]))], task)
    assert fit.fitted(sums, task.prepared)["mean"].tolist() == [1.5, 25.0]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.floats(0.01, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_validation_rows_are_the_same_in_every_cycle_and_of_every_class(
    counts: list[int], share: float, seed: int
) -> None:
    task = Task(("a", "b"), "y", tuple(f"c{code}" for code in range(len(counts))))
    rows = sum(counts)
    table = Table(np.arange(2.0 * rows).reshape(rows, 2), np.repeat(np.arange(len(counts)), counts))
    run = Run(Training(validation_split=share), seed, 1, lambda *_: None)
    learning, validation = tabular._parts(table, task, run)
    again = tabular._parts(table, task, Run(run.training, seed, 9, run.report))
    assert sorted([*learning.features[:, 0], *validation.features[:, 0]]) == sorted(table.features[:, 0])
    assert set(learning.target) == set(table.target)
    assert set(validation.target) == {code for code, count in enumerate(counts) if count > 1}
    np.testing.assert_array_equal(validation.features, again[1].features)
    assert len(validation) < rows * share + len(counts), "less than a row more of each class"


@given(st.lists(st.integers(0, 50), max_size=6))
def test_the_least_split_is_never_more_than_the_largest(counts: list[int]) -> None:
    least = least_share(counts)
    assert 0 <= least <= splitting.MOST
    assert (least == 0) is (max(counts, default=0) < 2)


def test_few_rows_of_a_class_are_kept_all_the_same() -> None:
    assert [splitting.kept(rows, 0.1) for rows in (1, 2, 4, 15, 25, 30)] == [0, 1, 1, 2, 2, 3]
    assert [splitting.kept(rows, 0.5) for rows in (1, 2, 3)] == [0, 1, 2]
    assert least_share([17, 2, 1]) == 2 / 20
    assert least_share([20]) == 1 / 20


def dataset(folder: Path) -> Dataset:
    index = Index(
        rows={"train": 4},
        columns=(
            Column(name="a", encoding=Encoding.NUMBER),
            Column(name="b", encoding=Encoding.NUMBER),
            Column(name="y", encoding=Encoding.LABEL, labels=("yes", "no")),
        ),
    )
    arrays = {"a": np.array([1.0, 2.0, np.nan, 4.0]), "b": np.zeros(4), "y": np.array([0, 1, -1, 0])}
    write_dataset(folder, index, {"train": arrays})
    return Dataset.open(folder)


def test_rows_without_a_target_are_left_out_and_labels_become_codes(tmp_path: Path) -> None:
    table = tabular.read(dataset(tmp_path), "train", TASK)
    assert table.target.tolist() == [1, 0, 1]
    assert table.features[:, 0].tolist() == [1.0, 2.0, 4.0]
    assert len(tabular.read(dataset(tmp_path), "test", TASK)) == 0


def test_words_are_read_as_places_in_the_preparation(tmp_path: Path) -> None:
    columns = (
        Column(name="a", encoding=Encoding.NUMBER),
        Column(name="w", encoding=Encoding.LABEL, labels=("west", "north", "south")),
        Column(name="y", encoding=Encoding.LABEL, labels=("yes", "no")),
    )
    arrays = {"a": np.arange(4.0), "w": np.array([0, 1, 2, -1]), "y": np.array([0, 1, 0, 1])}
    write_dataset(tmp_path, Index(rows={"train": 4}, columns=columns), {"train": arrays})
    known = {"a": Known(Kind.NUMBER), "w": Known(Kind.TEXT, words={"north": 1, "south": 1})}
    task = task_for(["a", "w"], known, Preprocessing(encode="onehot"))
    task = Task(task.features, "y", ("no", "yes"), task.preparation)
    table = tabular.read(Dataset.open(tmp_path), "train", task)
    np.testing.assert_array_equal(table.features[:, 1], [-1.0, 0.0, 1.0, np.nan])
    assert task.problem == Problem(3, 2)

    about = {"features": ["a", "w"], "target": "y", "classes": ["no", "yes"], **fit.about(task.prepared)}
    assert tabular.task_of(Weights({}, {}, json.loads(json.dumps(about)))) == task


def test_a_model_that_does_not_say_what_it_was_made_from() -> None:
    with pytest.raises(TrainingError, match="does not say what it was made from"):
        tabular.task_of(Weights({}, {}, {"features": ["a"]}))


def test_a_class_that_nobody_registered(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="was not registered"):
        tabular.read(dataset(tmp_path), "train", Task(("a",), "y", ("no", "maybe")))


@pytest.mark.parametrize(("name", "code"), [("c", "data.column"), ("y", "data.kind")])
def test_columns_that_do_not_fit(tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises(TrainingError) as caught:
        dataset(tmp_path).numbers(name, "train")
    assert caught.value.code == code


def test_a_damaged_dataset(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    (tmp_path / "train" / "0.npy").write_bytes(b"no array")
    with pytest.raises(TrainingError, match="cannot be read"):
        data.numbers("a", "train")
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(TrainingError, match="no usable"):
        Dataset.open(tmp_path)


def test_metrics_without_a_value_say_why() -> None:
    truth, codes = np.array([1, 1]), np.array([1, 0])
    found = {s.name: s for s in classification(truth, ClassPrediction(codes), 2, WHERE).scores}
    assert found["accuracy"].value == 0.5
    assert found["roc_auc"].value is None
    assert found["roc_auc"].reason == "1 of 2 classes occur in these rows"
    assert found["log_loss"].reason == "the model gives no probabilities"
    nothing = np.zeros(0, np.int64)
    assert {s.reason for s in classification(nothing, ClassPrediction(nothing), 2, WHERE).scores} == {"no rows"}
    flat = {s.name: s for s in regression(np.ones(3), np.zeros(3), WHERE).scores}
    assert flat["r2"].reason == "the target does not vary in these rows"
    assert flat["rmse"].value == 1.0
