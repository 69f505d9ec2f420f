"""A model held to a dataset: every parameter is told, and submission goes by the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.errors import Invalid, NotFound
from bus.events.base import DatasetId, Digest, PrincipalId
from bus.events.datasets import Column, ColumnKind, DatasetRegistered, Split
from bus.events.principals import Capacity, EdgeEnrolled
from muster.submission.columns import Use
from muster.submission.linking import Datasets, link, plan_for
from muster.submission.requirement import Requirement
from training.contract.header import Header
from training.plan import Plan
from training.preprocessing.choices import Derived

HEADER = Header("torch", "tabular_classification", "Network")
COLUMNS = {"age": ColumnKind.REAL, "bmi": ColumnKind.REAL, "ward": ColumnKind.TEXT, "sick": ColumnKind.TEXT}
PARAMETERS = [
    *("framework", "category", "target", "features", "derived features"),
    *("num_feature_points", "input_shape", "output_classes", "classes", "rows", "validation_split"),
]


def held(edge: str, classes: dict[str, int], **changes: Any) -> DatasetRegistered:
    facts: dict[str, Any] = {
        "dataset": DatasetId("d"),
        "edge": PrincipalId(edge),
        "revision": 1,
        "category": "tabular_classification",
        "target": "sick",
        "columns": tuple(Column(name=name, kind=kind, sql_type="X", nulls=3) for name, kind in COLUMNS.items()),
        "splits": {
            "train": Split(rows=sum(classes.values()), classes=classes),
            "test": Split(rows=2, classes={"no": 1, "rare": 1}),
        },
        "digest": Digest("sha256:0"),
    }
    return DatasetRegistered(**{**facts, **changes})


def enrolled(*edges: str, frameworks: tuple[str, ...] = ("sklearn", "torch")) -> dict[PrincipalId, EdgeEnrolled]:
    return {
        PrincipalId(edge): EdgeEnrolled(
            edge=PrincipalId(edge),
            fingerprint="f",
            release="1",
            frameworks=frameworks,
            capacity=Capacity(cpus=1, memory_bytes=1),
            isolation="none",
        )
        for edge in edges
    }


def datasets(*bodies: DatasetRegistered) -> Datasets:
    return {DatasetId("d"): {body.edge: body for body in bodies}}


BOTH = datasets(held("a", {"no": 60, "yes": 40}), held("b", {"no": 17, "yes": 2, "rare": 1}))
PLAN = plan_for(Path("model.py"), "d")


def asked(**data: Any) -> Plan:
    return Plan.model_validate({**PLAN.model_dump(), "data": {"dataset": "d", **data}})


def of(requirements: tuple[Requirement, ...], parameter: str) -> Requirement:
    (found,) = [each for each in requirements if each.parameter == parameter]
    return found


def test_all_of_a_model_that_fits() -> None:
    found = link(HEADER, PLAN, BOTH, enrolled("a", "b"))
    assert found.fits
    assert [each.parameter for each in found.requirements] == PARAMETERS
    assert all(each.ok for each in found.requirements)
    assert found.required() == found.data
    assert found.data is not None
    assert (found.data.features, found.data.classes) == (("age", "bmi"), ("no", "rare", "yes"))
    assert found.edges[PrincipalId("b")]["train"].classes == {"no": 17, "yes": 2, "rare": 1}
    assert found.total["train"] == Split(rows=120, classes={"no": 77, "rare": 1, "yes": 42})
    assert found.total["test"].rows == 4


def test_columns_and_what_can_be_made_of_them() -> None:
    found = link(HEADER, asked(features=["age"], derive=[{"make": "sum", "of": ["age", "bmi"]}]), BOTH)
    described = {each.name: each for each in found.columns}
    assert {name: each.use for name, each in described.items()} == {
        "age": Use.FEATURE,
        "bmi": Use.SOURCE,
        "ward": Use.UNUSED,
        "sick": Use.TARGET,
    }
    assert described["age"].missing == pytest.approx(6 / 124)
    assert [each.modifiable for each in found.columns] == [True, True, False, False]
    plain = link(HEADER, PLAN, BOTH)
    assert [each.make for each in plain.derivable] == [
        *("product", "ratio", "sum", "difference", "polynomial", "pca"),
    ]
    assert Derived(make="ratio", of=("age", "bmi")) in plain.derivable
    for example in plain.derivable:
        assert link(HEADER, asked(derive=[example.model_dump()]), BOTH).fits, "an example must do as it stands"
    closed = datasets(held("a", {"no": 2, "yes": 2}), held("b", {"no": 2, "yes": 2}, features_modifiable=False))
    assert link(HEADER, PLAN, closed).derivable == ()
    assert of(link(HEADER, PLAN, closed).requirements, "derived features").found == "permitted by 1 of 2 owners"


def test_the_smallest_validation_split_is_that_of_the_edge_that_needs_most() -> None:
    least = link(HEADER, PLAN, BOTH).least_validation_split
    assert (least.edge, least.rows, least.share) == ("b", 20, 2 / 20), "a class with one row cannot be validated"


@pytest.mark.parametrize(("share", "ok"), [(0.0, True), (0.0999, False), (0.1, True), (0.5, True)])
def test_a_validation_split_is_none_or_enough_for_every_class(share: float, *, ok: bool) -> None:
    plan = Plan.model_validate({**PLAN.model_dump(), "training": {"validation_split": share}})
    found = link(HEADER, plan, BOTH)
    row = of(found.requirements, "validation_split")
    assert (found.fits, row.found) == (ok, "possible: 0, or 0.1 (b has 20 rows) to 0.5")
    if not ok:
        with pytest.raises(
            Invalid, match=r"validation_split is 0\.0999: b has 20 rows to learn from, and needs 0.1 for"
        ) as caught:
            found.required()
        assert caught.value.code == "plan.validation"


def test_without_two_rows_of_a_class_there_is_no_validation() -> None:
    plan = Plan.model_validate({**PLAN.model_dump(), "training": {"validation_split": 0.5}})
    found = link(HEADER, plan, datasets(held("a", {"no": 1, "yes": 1})))
    assert of(found.requirements, "validation_split").problems == (
        "validation_split is 0.5, and no edge has two rows of a class",
    )
    assert link(HEADER, PLAN, datasets(held("a", {"no": 1, "yes": 1}))).fits


def test_every_parameter_that_differs_is_told_at_once() -> None:
    header = Header(
        *("torch", "tabular_regression", "Network"), output_classes=2, num_feature_points=7, input_shape=(2, 2)
    )
    other = datasets(
        held("a", {"no": 60, "yes": 40}),
        held(
            "b", {"no": 9, "yes": 9}, target="ward", columns=(Column(name="age", kind=ColumnKind.REAL, sql_type="X"),)
        ),
    )
    found = link(header, asked(features=["age", "bmi"], target="sick"), other, enrolled("b", frameworks=("sklearn",)))
    assert not found.fits
    assert found.data is None
    assert [each.parameter for each in found.problems] == ["framework", "category", "target", "features"]
    assert all(each.fix for each in found.problems)
    assert of(found.requirements, "num_feature_points").ok is None, "it depends on the features"
    with pytest.raises(Invalid) as caught:
        found.required()
    for words in (
        "a registered it for tabular_classification, the model is for tabular_regression",
        "b cannot train torch: it has sklearn",
        "b registered the target 'ward', the plan says 'sick'",
        "b has no column 'bmi'",
    ):
        assert words in caught.value.message
    assert caught.value.code == "dataset.mismatch"


def test_shapes_that_differ_are_told_each_with_its_fix() -> None:
    header = Header("torch", "tabular_classification", "N", output_classes=2, num_feature_points=7, input_shape=(2, 2))
    found = link(header, PLAN, BOTH)
    assert [each.parameter for each in found.problems] == ["num_feature_points", "input_shape", "output_classes"]
    assert "write output_classes = 3 in the model file" in of(found.requirements, "output_classes").fix
    assert "write input_shape = (2,) in" in of(found.requirements, "input_shape").fix


def test_a_target_of_one_class_is_another_error() -> None:
    one = {"train": Split(rows=4, classes={"no": 4})}
    found = link(HEADER, PLAN, datasets(held("a", {}, splits=one)))
    with pytest.raises(Invalid, match="has only the classes") as caught:
        found.required()
    assert caught.value.code == "dataset.classes"


@pytest.mark.parametrize(
    ("able", "quorum", "ok", "words"),
    [
        (("a", "b"), None, True, "at 2 of 2 edges"),
        (("a",), None, False, "at 1 of 2 edges, not at b"),
        (("a",), 1, True, "at 1 of 2 edges, not at b"),
        ((), 1, False, "at 0 of 2 edges, not at a, b"),
    ],
)
def test_enough_edges_must_have_the_framework(
    able: tuple[str, ...], quorum: int | None, *, ok: bool, words: str
) -> None:
    edges = {**enrolled("a", "b", frameworks=("sklearn",)), **enrolled(*able)}
    row = of(link(HEADER, PLAN.model_copy(update={"quorum": quorum}), BOTH, edges).requirements, "framework")
    assert (row.ok, row.found) == (ok, words)


def test_edges_that_never_said_what_they_can_do_are_hoped_for() -> None:
    assert link(HEADER, PLAN, BOTH, enrolled("a")).fits
    unasked = link(HEADER, PLAN, BOTH)
    assert unasked.fits
    assert of(unasked.requirements, "framework").ok is None


def test_a_dataset_that_nobody_has() -> None:
    with pytest.raises(NotFound, match="did you mean 'd'") as caught:
        link(HEADER, plan_for(Path("model.py"), "dd"), BOTH)
    assert caught.value.code == "dataset.missing"
