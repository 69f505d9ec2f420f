from __future__ import annotations

import pytest

from bus.errors import Invalid
from ingest.domain.schema import MAX_COLUMNS, Column, Schema
from ingest.domain.sql_type import SqlType


@pytest.mark.parametrize("name", ["mean radius", "a-b", "A.b", "(x)", "age/2", "Größe", "年齢", "x" * 64, "CO2 %", "0"])
def test_names_as_they_occur_in_files(name: str) -> None:
    assert Column(name, SqlType.parse("INT")).name == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\0", "a\u200bb", " a", "a ", "_muster", "_Muster_x"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        Column(name, SqlType.parse("INT"))
    assert caught.value.code == "schema.name"


@pytest.mark.parametrize(
    ("text", "nullable"),
    [("INT", True), ("INT NOT NULL", False), ("int  not  null ", False), ("VARCHAR(3) NULL", True)],
)
def test_not_null(text: str, *, nullable: bool) -> None:
    assert Column.parse("a", text).nullable is nullable


def test_an_unknown_type_names_the_column() -> None:
    with pytest.raises(Invalid, match=r"column 'age': 'INTT' is not a known SQL type; did you mean 'INT'\?"):
        Schema.parse({"age": "INTT"})


def test_too_few_too_many_and_twice() -> None:
    with pytest.raises(Invalid, match="0 columns"):
        Schema(())
    with pytest.raises(Invalid, match="981 columns"):
        Schema.parse({f"x{place}": "INT" for place in range(MAX_COLUMNS + 1)})
    with pytest.raises(Invalid, match="named twice in the schema: 'a'"):
        Schema((Column.parse("a", "INT"), Column.parse("b", "INT"), Column.parse("a", "TEXT")))


def test_differences_ignore_the_order() -> None:
    stored = Schema.parse({"a": "INT", "b": "TEXT", "c": "DATE"})
    assert Schema.parse({"c": "DATE", "b": "TEXT", "a": "INT"}).differences(stored) == []
    assert Schema.parse({"a": "INT NOT NULL", "b": "TEXT", "d": "DATE"}).differences(stored) == [
        "'a' is INT NOT NULL here, INT there",
        "'d' is new",
        "'c' is missing",
    ]
