from __future__ import annotations

import math
from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.records import Fault, Row, Value, excerpt
from ingest.domain.schema import Schema
from ingest.domain.sql_type import SqlType
from ingest.domain.values import MAX_TEXT_BYTES, CellRefused, RowParser, parser

at = datetime.fromisoformat


@pytest.mark.parametrize(
    ("sql_type", "text", "value"),
    [
        ("INT", "0", 0),
        ("INT", "-7", -7),
        ("INT", "+7", 7),
        ("INT", "007", 7),
        ("TINYINT", "127", 127),
        ("TINYINT", "-128", -128),
        ("SMALLINT", "32767", 32767),
        ("MEDIUMINT", "8388607", 8388607),
        ("INTEGER", "-2147483648", -(2**31)),
        ("BIGINT", "9223372036854775807", 2**63 - 1),
        ("DOUBLE", "1", 1.0),
        ("DOUBLE", ".5", 0.5),
        ("DOUBLE", "5.", 5.0),
        ("DOUBLE", "-1.5E-3", -0.0015),
        ("DOUBLE", "1e-400", 0.0),
        ("FLOAT", "3.4028234663852886e38", 3.4028234663852886e38),
        ("FLOAT", "0.1", 0.1),
        ("DECIMAL(5,2)", "123.45", 123.45),
        ("DECIMAL(5,2)", "-000123.4500", -123.45),
        ("DECIMAL(5,2)", ".5", 0.5),
        ("DECIMAL(65,30)", "123456789012345", 123456789012345.0),
        ("NUMERIC(3)", "100", 100.0),
        ("BOOLEAN", "true", True),
        ("BOOL", "No", False),
        ("BOOL", "1", True),
        ("BOOL", "0", False),
        ("BOOL", "YES", True),
        ("VARCHAR(3)", "äöü", "äöü"),
        ("CHAR(3)", " a ", " a "),
        ("TEXT", "x" * MAX_TEXT_BYTES, "x" * MAX_TEXT_BYTES),
        ("DATE", "2024-02-29", date(2024, 2, 29)),
        ("DATETIME", "2024-03-01T12:30:00", at("2024-03-01T12:30:00")),
        ("DATETIME", "2024-03-01 12:30", at("2024-03-01T12:30:00")),
        ("DATETIME", "2024-03-01", at("2024-03-01T00:00:00")),
        ("DATETIME", "2024-03-01T12:30:00.5", at("2024-03-01T12:30:00.500000")),
        ("TIMESTAMP", "2024-03-01T12:30:00", at("2024-03-01T12:30:00")),
        ("TIMESTAMP", "2024-03-01T12:30:00Z", at("2024-03-01T12:30:00")),
        ("TIMESTAMP", "2024-03-01T00:30:00+01:00", at("2024-02-29T23:30:00")),
        ("TIME", "12:30", time(12, 30)),
        ("TIME", "12:30:01.25", time(12, 30, 1, 250000)),
    ],
)
def test_good_cells(sql_type: str, text: str, value: Value) -> None:
    found = parser(SqlType.parse(sql_type))(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("sql_type", "text", "code"),
    [
        ("INT", "1.0", "cell.integer"),
        ("INT", "1e3", "cell.integer"),
        ("INT", "1_000", "cell.integer"),
        ("INT", "1,000", "cell.integer"),
        ("INT", " 1", "cell.integer"),
        ("INT", "١", "cell.integer"),
        ("INT", "1" * 5000, "cell.integer"),
        ("INT", "0x10", "cell.integer"),
        ("TINYINT", "128", "cell.range"),
        ("TINYINT", "-129", "cell.range"),
        ("INT", "2147483648", "cell.range"),
        ("BIGINT", "9223372036854775808", "cell.range"),
        ("DOUBLE", "nan", "cell.finite"),
        ("DOUBLE", "-Infinity", "cell.finite"),
        ("FLOAT", "inf", "cell.finite"),
        ("DECIMAL(5,2)", "NaN", "cell.finite"),
        ("DOUBLE", "1e400", "cell.range"),
        ("FLOAT", "3.5e38", "cell.range"),
        ("DOUBLE", "1,5", "cell.real"),
        ("DOUBLE", "1_0.5", "cell.real"),
        ("DOUBLE", ".", "cell.real"),
        ("DOUBLE", "٣.٥", "cell.real"),
        ("DECIMAL(5,2)", "1e2", "cell.real"),
        ("DECIMAL(5,2)", ".", "cell.real"),
        ("DECIMAL(5,2)", "1234", "cell.range"),
        ("DECIMAL(5,2)", "1.234", "cell.range"),
        ("DECIMAL", "1.5", "cell.range"),
        ("DECIMAL(30,10)", "1234567890.123456789", "cell.digits"),
        ("BOOLEAN", "2", "cell.boolean"),
        ("BOOLEAN", "t", "cell.boolean"),
        ("VARCHAR(3)", "abcd", "cell.length"),
        ("TEXT", "é" * 32768, "cell.length"),
        ("DATE", "01/02/2024", "cell.date"),
        ("DATE", "20240201", "cell.date"),
        ("DATE", "2024-02-30", "cell.calendar"),
        ("DATE", "0999-12-31", "cell.calendar"),
        ("DATE", "2024-02-01T10:00", "cell.date"),
        ("DATETIME", "2024-03-01T12:30:00Z", "cell.datetime"),
        ("DATETIME", "2024-03-01T25:00", "cell.calendar"),
        ("DATETIME", "2024-03-01T12:30:00.1234567", "cell.datetime"),
        ("TIMESTAMP", "1 March 2024", "cell.timestamp"),
        ("TIMESTAMP", "9999-12-31T23:59:59-01:00", "cell.calendar"),
        ("TIMESTAMP", "1000-01-01T00:00:00+01:00", "cell.calendar"),
        ("TIME", "24:00", "cell.calendar"),
        ("TIME", "12", "cell.time"),
    ],
)
def test_bad_cells(sql_type: str, text: str, code: str) -> None:
    with pytest.raises(CellRefused) as caught:
        parser(SqlType.parse(sql_type))(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("sql_type", "text"),
    [
        ("INT", "7654321x"),
        ("INT", "76543217654321"),
        ("DOUBLE", "7654321x"),
        ("DOUBLE", "7654321e999"),
        ("DECIMAL(5,2)", "7654321x"),
        ("DECIMAL(5,2)", "7654321"),
        ("DECIMAL(30,10)", "7654321.765432176"),
        ("BOOLEAN", "7654321"),
        ("VARCHAR(3)", "7654321"),
        ("TEXT", "7654321" * 10_000),
        ("DATE", "7654321"),
        ("DATE", "7654-32-10"),
        ("DATETIME", "7654321"),
        ("TIMESTAMP", "7654321"),
        ("TIME", "7654321"),
    ],
)
def test_what_a_cell_holds_is_never_in_the_message(sql_type: str, text: str) -> None:
    with pytest.raises(CellRefused) as caught:
        parser(SqlType.parse(sql_type))(text)
    assert "7654" not in caught.value.message


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0e5"])
def test_there_is_no_negative_zero(text: str) -> None:
    value = parser(SqlType.parse("DOUBLE"))(text)
    assert isinstance(value, float)
    assert math.copysign(1, value) == 1


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**10), max_value=10**10))
def test_a_decimal_of_fifteen_digits_is_kept_exactly(number: object) -> None:
    value = parser(SqlType.parse("DECIMAL(20,4)"))(f"{number:f}")
    assert f"{value:.4f}".lstrip("-") == f"{number:.4f}".lstrip("-")


@given(st.text(), st.sampled_from(["INT", "DOUBLE", "DECIMAL(9,3)", "BOOL", "DATE", "DATETIME", "TIMESTAMP", "TIME"]))
def test_no_text_breaks_a_parser(text: str, sql_type: str) -> None:
    try:
        value = parser(SqlType.parse(sql_type))(text)
    except CellRefused:
        return
    assert value is not None


def rows(schema: dict[str, str], *null_tokens: str) -> RowParser:
    parsed = Schema.parse(schema)
    return RowParser(parsed, list(reversed(range(len(parsed.columns)))), len(parsed.columns), null_tokens)


def test_cells_come_in_the_order_of_the_schema() -> None:
    record = rows({"a": "INT", "b": "TEXT"}).parse(Row(2, ["text", "7"]))
    assert (record.line, record.values, record.faults) == (2, (7, "text"), ())


def test_missing_cells() -> None:
    parser_ = rows({"a": "INT", "b": "TEXT NOT NULL"}, "NA")
    assert parser_.parse(Row(2, ["x", ""])).values == (None, "x")
    assert parser_.parse(Row(2, ["x", "NA"])).values == (None, "x")
    assert parser_.parse(Row(2, ["na", "1"])).values == (1, "na")
    (fault,) = parser_.parse(Row(2, ["NA", "1"])).faults
    assert (fault.code, fault.column, fault.found) == ("cell.null", "b", "NA")


def test_faults_tell_where_and_what() -> None:
    record = rows({"a": "INT", "b": "DATE"}).parse(Row(9, ["y" * 41, "x"]))
    assert [(fault.column, fault.code) for fault in record.faults] == [("a", "cell.integer"), ("b", "cell.date")]
    assert record.faults[1].found == "y" * 40 + "…"
    assert all(isinstance(value, Fault) for value in record.values)


@pytest.mark.parametrize("cells", [["1"], ["1", "2", "3"]])
def test_ragged_rows(cells: list[str]) -> None:
    record = rows({"a": "INT", "b": "INT"}).parse(Row(3, cells))
    assert record.values == ()
    assert record.faults == (Fault("row.ragged", "2 cells, as in the header", excerpt(f"{len(cells)} cells")),)
