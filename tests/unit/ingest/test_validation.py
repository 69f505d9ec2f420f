from __future__ import annotations

import dataclasses

import pytest

from ingest.domain.findings import Finding, Severity
from ingest.domain.profile import MAX_CLASSES, Category
from ingest.domain.records import Row
from ingest.domain.schema import Schema
from ingest.domain.validation import Context, Examination, Examined
from ingest.domain.validators import BASIC

CONTEXT = Context(
    ("age", "kind"), Schema.parse({"age": "INT", "kind": "TEXT"}), "kind", Category.TABULAR_CLASSIFICATION
)


def examine(*rows: list[str], **changes: object) -> Examined:
    examination = Examination(dataclasses.replace(CONTEXT, **changes), BASIC)
    if examination.readable:
        examination.see(Row(line, cells) for line, cells in enumerate(rows, 2))
    return examination.end()


def codes(examined: Examined, severity: Severity = Severity.ERROR) -> list[str]:
    return [finding.code for finding in examined.verdict.findings if finding.severity is severity]


def test_good_rows_add_up() -> None:
    examined = examine(["1", "a"], ["", "b"], ["3", "a"])
    assert examined.verdict.findings == ()
    assert examined.content is not None
    assert (examined.content.rows, examined.content.nulls) == (3, (1, 0))
    assert examined.content.classes == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"header": ("age",)}, "header.missing"),
        ({"header": ("age", "kind", "kind")}, "header.duplicate"),
        ({"header": ("age", "kind", "sex")}, "header.unknown"),
        ({"header": ("age", "kind", "")}, "header.blank"),
        ({"target": "sort"}, "target.missing"),
        ({"schema": Schema.parse({"age": "INT", "kind": "DOUBLE"})}, "target.kind"),
        ({"category": Category.TABULAR_REGRESSION}, "target.kind"),
    ],
)
def test_what_the_header_and_the_settings_tell(changes: dict[str, object], code: str) -> None:
    examined = examine(["1", "a"], ["2", "b"], **changes)
    assert set(codes(examined)) == {code}
    assert (examined.content, examined.rows) == (None, 0)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], ["records.none"]),
        ([["1", "a"], ["x", "b"]], ["cell.integer"]),
        ([["1", "a"], ["2"], ["3", "b"]], ["row.ragged"]),
        ([["1", "a"], ["2", ""], ["3", "b"]], ["target.blank"]),
        ([["1", "a"], ["2", "a"]], ["label.diversity"]),
        ([["1", "a"], ["2", "b" * 129]], ["label.long"]),
        ([[str(place), f"k{place}"] for place in range(MAX_CLASSES + 1)], ["label.many"]),
    ],
)
def test_what_rows_tell(rows: list[list[str]], found: list[str]) -> None:
    examined = examine(*rows)
    assert codes(examined) == found
    assert examined.content is None


def test_ignored_columns_may_hold_anything() -> None:
    context = {"header": ("age", "name", "kind"), "ignored": frozenset({"name"})}
    assert examine(["1", "x", "a"], ["2", "y", "b"], **context).content is not None


def test_appended_rows_need_not_hold_all_classes() -> None:
    assert examine(["1", "a"], known_classes={"b": 2}).content is not None


def test_oddities_are_warnings() -> None:
    examined = examine(["1", "a"], ["1", "a"], ["1", "b"])
    assert codes(examined, Severity.WARNING) == ["rows.duplicate", "column.constant"]
    assert examined.content is not None


def test_errors_beyond_the_first_are_counted_and_all_are_told() -> None:
    told: list[Finding] = []
    examination = Examination(CONTEXT, BASIC, told.append)
    examination.see(Row(line, ["x", "ab"[line % 2]]) for line in range(2, 202))
    examined = examination.end()
    assert (examined.verdict.errors, examined.failed, len(told)) == (200, 200, 200)
    assert len(codes(examined)) == 50
    assert examined.verdict.summary().startswith("200 errors: line 2, column 'age': expected INT")
