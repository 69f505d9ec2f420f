"""Names that people type wrong."""

from __future__ import annotations

import pytest

from bus.suggestions import did_you_mean, nearest

KNOWN = ["VARCHAR", "int", "Int"]


@pytest.mark.parametrize(
    ("word", "expected"), [("varchr", "VARCHAR"), ("VARCHAR", "VARCHAR"), ("INT", "int"), ("qqqq", None), ("", None)]
)
def test_the_nearest_is_found_whatever_the_case(word: str, expected: str | None) -> None:
    assert nearest(word, KNOWN) == expected


def test_it_is_named() -> None:
    assert did_you_mean("varchr", KNOWN) == "did you mean 'VARCHAR'?"


def test_if_nothing_is_near_all_are_listed_in_their_order_but_not_without_end() -> None:
    assert did_you_mean("qqqq", KNOWN) == "known: VARCHAR, int, Int"
    assert did_you_mean("qqqq", KNOWN, opening="known are ") == "known are VARCHAR, int, Int"
    assert did_you_mean("qqqq", (f"c{each}" for each in range(40))).endswith("c28, c29 and 10 more")


def test_where_case_matters_another_case_is_not_near() -> None:
    assert nearest("F", ["f"], any_case=False) is None
    assert nearest("F", ["f"]) == "f"
