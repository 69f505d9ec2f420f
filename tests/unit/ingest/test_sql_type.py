from __future__ import annotations

import pytest

from bus.errors import Invalid
from bus.events.datasets import ColumnKind
from ingest.domain.sql_type import SqlName, SqlType


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("VARCHAR(255)", "VARCHAR(255)"),
        (" varchar ( 12 ) ", "VARCHAR(12)"),
        ("VARCHAR", "VARCHAR(255)"),
        ("char", "CHAR(1)"),
        ("Text", "TEXT"),
        ("int", "INT"),
        ("INT(11)", "INT"),
        ("tinyint(1)", "TINYINT"),
        ("decimal(10,2)", "DECIMAL(10,2)"),
        ("DECIMAL", "DECIMAL(10,0)"),
        ("numeric(5)", "NUMERIC(5,0)"),
        ("bool", "BOOL"),
        ("DATETIME(6)", "DATETIME"),
        ("timestamp(0)", "TIMESTAMP"),
        ("TIME", "TIME"),
    ],
)
def test_text_to_type(text: str, canonical: str) -> None:
    parsed = SqlType.parse(text)
    assert str(parsed) == canonical
    assert SqlType.parse(canonical) == parsed


@pytest.mark.parametrize("name", SqlName)
def test_every_type_has_a_kind_and_can_be_written(name: SqlName) -> None:
    assert isinstance(SqlType.parse(name.value).kind, ColumnKind)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("VARCHR(12)", "did you mean 'VARCHAR'"),
        ("integr", "did you mean 'INTEGER'"),
        ("BLOB", "known: VARCHAR, CHAR"),
        ("INT UNSIGNED", "not a known SQL type"),
        ("", "not a known SQL type"),
        ("VARCHAR(0)", "1 to 16383"),
        ("VARCHAR(16384)", "use TEXT"),
        ("CHAR(256)", "1 to 255"),
        ("VARCHAR(3,4)", "no second argument"),
        ("TEXT(10)", "without an argument"),
        ("DOUBLE(10,2)", "no second argument"),
        ("FLOAT(24)", "without an argument"),
        ("DECIMAL(0)", "1 to 65 digits"),
        ("DECIMAL(66)", "1 to 65 digits"),
        ("DECIMAL(4,5)", "1 to 65 digits"),
        ("DATETIME(7)", "DATETIME(6)"),
        ("VARCHAR(-1)", "not a known SQL type"),
    ],
)
def test_what_is_no_type_is_told_with_a_remedy(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        SqlType.parse(text)
    assert message in caught.value.message
    assert caught.value.code == "schema.type"
