"""How many rows each edge takes: sums, bounds, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bus.errors import Invalid
from bus.events.base import DatasetId, Digest, PrincipalId
from bus.events.datasets import DatasetRegistered, Split
from muster.submission.columns import Holders
from muster.submission.linking import link, plan_for
from muster.submission.rows import total
from muster.submission.taking import apportioned, taken
from training.contract.header import Header
from training.plan import Data, Plan
from training.taking import Taken

COUNTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 500), min_size=1, max_size=8)


def edge(name: str, classes: dict[str, int] | None, rows: int = 0, **changes: Any) -> DatasetRegistered:
    split = Split(rows=rows, classes=None) if classes is None else Split(rows=sum(classes.values()), classes=classes)
    facts: dict[str, Any] = {
        "dataset": DatasetId("d"),
        "edge": PrincipalId(name),
        "revision": 1,
        "category": "tabular_regression" if classes is None else "tabular_classification",
        "target": "y",
        "columns": [
            {"name": "x", "kind": "real", "sql_type": "X"},
            {"name": "y", "kind": "real" if classes is None else "text", "sql_type": "X"},
        ],
        "splits": {"train": split},
        "digest": Digest("sha256:0"),
    }
    return DatasetRegistered.model_validate({**facts, **changes})


def holders(*bodies: DatasetRegistered) -> Holders:
    return {body.edge: body for body in bodies}


THREE = holders(
    edge("a", {"benign": 162, "malignant": 86}),
    edge("b", {"benign": 78, "malignant": 58}),
    edge("c", {"benign": 28, "malignant": 15}),
)
NUMBERS = holders(edge("a", None, 200), edge("b", None, 101))


def said(text: str) -> Taken:
    return Taken.model_validate(yaml.safe_load(text))


@given(COUNTS, st.data())
def test_what_is_apportioned_adds_up_and_is_there(there: dict[str, int], data: st.DataObject) -> None:
    whole = sum(there.values())
    wanted = data.draw(st.integers(0, whole))
    cells = {(PrincipalId("e"), name): count for name, count in there.items()}
    found = apportioned(wanted, cells)
    assert sum(found.values()) == wanted
    assert all(0 <= found[cell] <= count for cell, count in cells.items())
    assert all(abs(found[cell] * whole - wanted * count) < whole for cell, count in cells.items() if whole)
    assert apportioned(wanted, dict(reversed(cells.items()))) == found, "the order of the edges changes nothing"


def test_of_equal_remainders_the_larger_count_comes_first_then_the_name() -> None:
    three = {PrincipalId(name): 10 for name in "cab"}
    assert apportioned(4, three) == {"a": 2, "b": 1, "c": 1}
    assert apportioned(2, {PrincipalId("a"): 1, PrincipalId("b"): 3}) == {"a": 0, "b": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{classes: {benign: 100, malignant: 80}}", {"a": (61, 43), "b": (29, 29), "c": (10, 8)}),
        ("{classes: {benign: 100}}", {"a": (61, 86), "b": (29, 58), "c": (10, 15)}),
        ("{total: 100}", {"a": (38, 20), "b": (18, 14), "c": (7, 3)}),
        ("{share: 0.1}", {"a": (16, 9), "b": (8, 6), "c": (3, 2)}),
        ("{edges: {a: {classes: {benign: 50}}, c: {total: 10}}}", {"a": (50, 86), "b": (78, 58), "c": (7, 3)}),
        ("{edges: {b: {share: 0.5}}}", {"a": (162, 86), "b": (39, 29), "c": (28, 15)}),
    ],
)
def test_rows_of_classes(text: str, expected: dict[str, tuple[int, int]]) -> None:
    found, problems = taken(said(text), THREE)
    assert problems == ()
    assert {name: tuple((split.classes or {}).values()) for name, split in found.items()} == expected
    assert all(split.rows == sum((split.classes or {}).values()) for split in found.values())


def test_rows_of_a_number() -> None:
    found, problems = taken(said("{total: 30}"), NUMBERS)
    assert (problems, {name: (split.rows, split.classes) for name, split in found.items()}) == (
        (),
        {"a": (20, None), "b": (10, None)},
    )


@given(st.integers(1, 427))
def test_a_total_is_taken_as_it_is_said(rows: int) -> None:
    found, problems = taken(Taken(total=rows), THREE)
    if problems:
        assert min(split.rows for split in found.values()) < 5, "only small edges object"
    else:
        assert total(found.values()).rows == rows


def test_labels_that_yaml_takes_for_something_else() -> None:
    assert said("{classes: {true: 3, 7: 2, 2.0: 4}}").classes == {"true": 3, "7": 2, "2": 4}


@pytest.mark.parametrize(
    ("text", "held", "words"),
    [
        ("{classes: {benine: 10}}", THREE, "the class 'benine', which no edge has; did you mean 'benign'?"),
        ("{edges: {d: {total: 9}}}", THREE, "names 'd', which does not hold the dataset; known: a, b, c"),
        ("{edges: {c: {classes: {odd: 9}}}}", THREE, "which c does not have; known: benign, malignant"),
        ("{classes: {benign: 269}}", THREE, "asks for 269 rows of 'benign', all edges together have 268"),
        ("{edges: {c: {classes: {benign: 29}}}}", THREE, "asks for 29 rows of 'benign', c has 28"),
        ("{total: 428}", THREE, "asks for 428 rows, all edges together have 427"),
        ("{total: 20}", THREE, "c would take 2 of its 43 rows, and its owner permits no fewer than 5"),
        ("{classes: {no: 3}}", NUMBERS, "names classes, and a number is learnt: say share or total"),
        ("{total: 302}", NUMBERS, "asks for 302 rows, all edges together have 301"),
        (
            "{total: 5}",
            holders(edge("a", {"x": 100, "y": 1})),
            "rows of fewer than two classes would be left (x): ask for more rows",
        ),
        (
            "{share: 0.9}",
            holders(edge("a", {"x": 50, "y": 50}, least_taken=1000)),
            "a would take 90 of its 100 rows, and its owner permits no fewer than 1000",
        ),
    ],
)
def test_what_cannot_be_taken(text: str, held: Holders, words: str) -> None:
    _, problems = taken(said(text), held)
    assert words in "; ".join(problems)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "say exactly one of share, total, classes, edges; none of them is given"),
        ("{share: 0.5, total: 3}", "exactly one of share, total, classes, edges; found share, total"),
        ("{edges: {a: {}}}", "exactly one of share, total, classes; none"),
        ("{classes: {benign: 0}}", "0 rows of benign are asked for: at least 1"),
        ("{classes: {}}", "at least 1"),
        ("{total: 0}", "greater than or equal to 1"),
        ("{total: 2.5}", "valid integer"),
        ("{share: 0}", "greater than 0"),
        ("{share: 1.5}", "less than or equal to 1"),
        ("{edges: {a: {edges: {b: {total: 1}}}}}", "Extra inputs"),
        ("[benign, 3]", "valid dictionary"),
    ],
)
def test_what_is_no_choice_of_rows(text: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        said(text)
    assert words in str(caught.value)


def plan(rows: str, split: float = 0.0) -> Plan:
    bare = plan_for(Path("model.py"), "d")
    data = Data(dataset="d", rows=said(rows))
    return bare.model_copy(
        update={"data": data, "training": bare.training.model_copy(update={"validation_split": split})}
    )


def test_edges_are_told_their_own_numbers_and_the_log_all() -> None:
    header = Header("sklearn", "tabular_classification", "build")
    data = link(header, plan("{classes: {benign: 100, malignant: 80}}"), {"d": THREE}).required()
    assert data.taken[PrincipalId("c")] == Split(rows=18, classes={"benign": 10, "malignant": 8})
    assert total(data.taken.values()) == Split(rows=180, classes={"benign": 100, "malignant": 80})
    assert data.at(PrincipalId("c")).taken.keys() == {"c"}
    assert data.model_validate(json.loads(data.model_dump_json())) == data
    assert link(header, plan_for(Path("model.py"), "d"), {"d": THREE}).required().taken == {}


def test_a_number_is_learnt_from_some_rows_too() -> None:
    data = link(
        Header("sklearn", "tabular_regression", "build"), plan("{total: 30}", split=0.1), {"d": NUMBERS}
    ).required()
    assert data.classes is None
    assert data.taken == {"a": Split(rows=20), "b": Split(rows=10)}


def test_the_least_validation_split_is_that_of_the_rows_that_are_taken() -> None:
    header = Header("sklearn", "tabular_classification", "build")
    found = link(header, plan("{classes: {benign: 100, malignant: 80}}", split=0.1), {"d": THREE})
    assert (found.least_validation_split.edge, found.least_validation_split.share) == ("c", 2 / 18)
    with pytest.raises(Invalid, match="c has 18 rows to learn from") as caught:
        found.required()
    assert caught.value.code == "plan.validation"
    with pytest.raises(Invalid, match="'benign', all edges together have 268") as caught:
        link(header, plan("{classes: {benign: 269}}"), {"d": THREE}).required()
    assert caught.value.code == "plan.rows"
