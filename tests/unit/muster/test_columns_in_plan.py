"""A plan against what the edges registered about their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.errors import Invalid
from bus.events.base import DatasetId, Digest, PrincipalId
from bus.events.datasets import Column, ColumnKind, DatasetRegistered, Split
from muster.submission.submit import Holders, read_draft, resolve
from training.preprocessing.preparation import Preparation

MODEL = """
from sklearn.linear_model import LogisticRegression

framework = "sklearn"
category = "tabular_classification"
main_method = "build"


def build():
    return LogisticRegression()
"""
COLUMNS = {"age": ColumnKind.REAL, "bmi": ColumnKind.REAL, "seen": ColumnKind.TIMESTAMP, "sick": ColumnKind.BOOLEAN}


def held(edge: str, words: dict[str, int] | None, *, modifiable: bool = True, nulls: int = 0) -> DatasetRegistered:
    columns = [Column(name=name, kind=kind, sql_type="X", nulls=nulls) for name, kind in COLUMNS.items()]
    columns.append(Column(name="ward", kind=ColumnKind.TEXT, sql_type="TEXT", words=words))
    return DatasetRegistered(
        dataset=DatasetId("d"),
        edge=PrincipalId(edge),
        revision=1,
        category="tabular_classification",
        target="sick",
        columns=tuple(columns),
        splits={"train": Split(rows=20, classes={"false": 10, "true": 10})},
        digest=Digest("sha256:0"),
        features_modifiable=modifiable,
    )


def holders(*bodies: DatasetRegistered) -> dict[DatasetId, Holders]:
    return {DatasetId("d"): {body.edge: body for body in bodies}}


BOTH = holders(held("a", {"north": 9, "south": 7}), held("b", {"south": 6, "west": 5}, nulls=1))


def resolved(folder: Path, said: str, datasets: dict[DatasetId, Holders] = BOTH) -> Any:
    (folder / "model.py").write_text(MODEL)
    (folder / "plan.yaml").write_text(f"name: n\nmodel: model.py\ncycles: 1\n{said}\n")
    return resolve(read_draft(folder / "plan.yaml"), datasets)[0]


def test_a_plan_that_says_nothing_learns_from_numbers_as_ever(tmp_path: Path) -> None:
    data = resolved(tmp_path, "data: {dataset: d}")
    assert (data.features, data.preparation, data.derived, data.passes) == (("age", "bmi"), "", "", 1)


def test_words_are_those_of_all_edges(tmp_path: Path) -> None:
    data = resolved(tmp_path, "data: {dataset: d, exclude: [bmi]}\npreprocessing: {encode: onehot, min_count: 6}")
    assert data.features == ("age", "ward")
    found = Preparation.told(data.features, data.preparation, data.derived)
    assert found.names == ("age", "ward=north", "ward=south")
    assert data.passes == 1


def test_a_column_can_be_left_out_and_still_go_into_others(tmp_path: Path) -> None:
    derive = "[{make: ratio, of: [age, bmi]}, {make: pca, of: [age, age/bmi], components: 1}]"
    data = resolved(
        tmp_path,
        f"data: {{dataset: d, exclude: [bmi], derive: {derive}}}\n"
        "preprocessing: {scale: robust, missing_indicators: true}",
    )
    assert data.features == ("age", "bmi")
    assert data.passes == 3
    found = Preparation.told(data.features, data.preparation, data.derived)
    assert found.names == ("missing(age)", "pca_1")


@pytest.mark.parametrize(
    ("said", "datasets", "code", "words"),
    [
        (
            "data: {dataset: d, features: [ward]}",
            BOTH,
            "dataset.mismatch",
            "a holds text in column 'ward', features must",
        ),
        (
            "data: {dataset: d, exclude: [agee]}",
            BOTH,
            "plan.features",
            "'agee', which is no column; did you mean 'age'?",
        ),
        (
            "data: {dataset: d, derive: [{make: sum, of: [age, bm]}]}",
            BOTH,
            "dataset.mismatch",
            "b has no column 'bm'; did you mean 'bmi'?",
        ),
        (
            "data: {dataset: d, features: [ward]}\npreprocessing: {encode: onehot}",
            holders(held("a", {"north": 9}), held("b", None)),
            "dataset.mismatch",
            "b does not tell which words are in column 'ward'",
        ),
        (
            "data: {dataset: d, derive: [{make: sum, of: [age, bmi]}]}",
            holders(held("a", None), held("b", None, modifiable=False)),
            "dataset.mismatch",
            "b does not permit features that are made from its columns",
        ),
        ("data: {dataset: d, derive: [{make: sum, of: [age, sick]}]}", BOTH, "dataset.mismatch", "'sick' is among the"),
        ("data: {dataset: d, exclude: [age, bmi]}", BOTH, "dataset.mismatch", "no column is left to learn from"),
        ("data: {dataset: d}\npreprocessing: {impute: constant}", BOTH, "plan.features", "'value' must be a number"),
    ],
)
def test_what_does_not_fit_is_told_with_the_edge(
    tmp_path: Path, said: str, datasets: dict[DatasetId, Holders], code: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        resolved(tmp_path, said, datasets)
    assert caught.value.code == code
    assert words in caught.value.message


def test_words_that_only_some_edges_tell_are_left_out_unasked(tmp_path: Path) -> None:
    some = holders(held("a", {"north": 9}), held("b", None))
    assert resolved(tmp_path, "data: {dataset: d}\npreprocessing: {encode: onehot}", some).features == ("age", "bmi")
