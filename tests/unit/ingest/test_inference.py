from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Invalid
from ingest.domain.inference import Inference, check_header
from ingest.domain.records import Row, Value
from ingest.domain.schema import Column, Schema
from ingest.domain.values import RowParser


def infer(header: Sequence[str], rows: Iterable[Row], null_tokens: tuple[str, ...] = ()) -> Schema:
    inference = Inference(header, declared={}, null_tokens=null_tokens)
    inference.turn_to(header)
    for row in rows:
        inference.see(row)
    return inference.schema()


def inferred(*cells: str, null_tokens: tuple[str, ...] = ()) -> str:
    schema = infer(["column"], [Row(line, [cell]) for line, cell in enumerate(cells, 2)], null_tokens)
    return str(schema.columns[0])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", "+3"], "BIGINT"),
        (["0", "1"], "BIGINT"),
        (["0", "1", "true"], "BOOLEAN"),
        (["yes", "no"], "BOOLEAN"),
        (["yes", "2"], "VARCHAR(255)"),
        (["1", "2.5"], "DOUBLE"),
        (["1", "", "2"], "BIGINT"),
        (["1e3"], "DOUBLE"),
        (["1.0", "nan"], "VARCHAR(255)"),
        (["9223372036854775807"], "BIGINT"),
        (["9223372036854775808"], "DOUBLE"),
        (["9223372036854775809"], "VARCHAR(255)"),
        (["0.5", "9007199254740993"], "VARCHAR(255)"),
        (["0.5", "9007199254740992"], "DOUBLE"),
        (["01067", "80331"], "VARCHAR(255)"),
        (["0.5", "0"], "DOUBLE"),
        (["2024-03-01"], "DATE"),
        (["2024-03-01", "2024-03-01T10:00"], "DATETIME"),
        (["2024-03-01T10:00Z", "2024-03-01T10:00+02:00"], "TIMESTAMP"),
        (["2024-03-01T10:00Z", "2024-03-01T10:00"], "VARCHAR(255)"),
        (["10:30", "23:59:59.5"], "TIME"),
        (["03/04/2024"], "VARCHAR(255)"),
        (["2024-13-01"], "VARCHAR(255)"),
        (["20240301"], "BIGINT"),
        (["", ""], "VARCHAR(255)"),
        ([], "VARCHAR(255)"),
        (["x" * 255], "VARCHAR(255)"),
        (["x" * 256], "TEXT"),
    ],
)
def test_the_first_type_that_no_cell_rules_out(cells: list[str], expected: str) -> None:
    assert inferred(*cells) == expected
    assert inferred(*reversed(cells)) == expected


def test_null_tokens_say_nothing_about_the_type() -> None:
    assert inferred("1", "NA", null_tokens=("NA",)) == "BIGINT"
    assert inferred("1", "NA") == "VARCHAR(255)"


def test_the_last_row_counts() -> None:
    assert inferred(*["1"] * 5000, "x") == "VARCHAR(255)"


def test_declared_and_ignored_columns_are_not_looked_at() -> None:
    declared = {"zip": Column.parse("zip", "CHAR(5)"), "absent": Column.parse("absent", "INT")}
    inference = Inference(["zip", "age", "name"], declared=declared, ignored={"name"})
    inference.turn_to(["zip", "age", "name"])
    inference.see(Row(2, ["12345", "7", "x"]))
    inference.see(Row(3, ["1"]))
    assert {column.name: str(column) for column in inference.schema().columns} == {
        "zip": "CHAR(5)",
        "age": "BIGINT",
        "absent": "INT",
    }


def test_all_files_of_a_dataset_have_a_say_whatever_the_order_of_their_columns() -> None:
    inference = Inference(["a", "b"], declared={})
    inference.turn_to(["a", "b"])
    inference.see(Row(2, ["1", "true"]))
    inference.turn_to(["b", "new", "a"])
    inference.see(Row(2, ["no", "x", "2.5"]))
    assert {c.name: str(c) for c in inference.schema().columns} == {"a": "DOUBLE", "b": "BOOLEAN"}


@pytest.mark.parametrize("header", [["5.1", "a"], ["a", "2024-03-01"], ["true", "b"], ["a", "007"]])
def test_a_header_that_looks_like_data_is_refused_without_quoting_it(header: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        infer(header, [])
    assert caught.value.code == "header.data"
    assert not any(repr(name) in caught.value.message for name in header)


@pytest.mark.parametrize("header", [["a", ""], ["a", "a"], [" a"], ["a\tb"]])
def test_unusable_names_are_refused_by_place(header: list[str]) -> None:
    with pytest.raises(Invalid, match="the name in column"):
        check_header(header)


def test_a_name_that_the_owner_wrote_may_look_like_a_value() -> None:
    check_header(["2019", "2020"], known={"2019", "2020"})


MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1))  # noqa: DTZ001 - the stored form has no zone
KINDS: list[st.SearchStrategy[Value]] = [
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0),
    st.booleans(),
    st.dates(min_value=date(1000, 1, 1)),
    MOMENTS,
    st.times(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300),
]


def written(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "no"
    return value.isoformat() if isinstance(value, date | time) else str(value)


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.lists(st.none() | kind, min_size=1, max_size=20)))
def test_values_survive_a_file_whose_types_are_inferred(values: list[Value]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["x", "y"], *([written(value), "z"] for value in values)])
    file.seek(0)
    rows = [Row(line, cells) for line, cells in enumerate(csv.reader(file, strict=True), 1)][1:]
    schema = infer(["x", "y"], rows)
    parser = RowParser(schema, [0, 1], 2, ())
    found = [parser.parse(row).values[0] for row in rows]
    assert all(agree(a, b) for a, b in zip(found, values, strict=True))


def agree(found: object, value: Value) -> bool:
    """Equal, or text where the type is a guess that text wins (``00`` in a text column is text, ``5`` a number)."""
    if value in ("", None):
        return found is None
    if isinstance(value, datetime) and isinstance(found, date) and not isinstance(found, datetime):
        return datetime(found.year, found.month, found.day) == value  # noqa: DTZ001
    if isinstance(value, str) and not isinstance(found, str):
        return found is not None and len(value) <= 40
    return found == value
