"""The table in the documentation is what is tried here, no more and no less."""

from __future__ import annotations

from pathlib import Path

from muster.errors.catalogue import known
from support.attacks import ATTACKS, EVERYBODY

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "weights.md"


def lines() -> list[str]:
    return [f"| {a.what} | {a.found} | `{a.code}` | {', '.join(a.readers)} |" for a in ATTACKS]


def test_the_page_shows_the_table() -> None:
    shown = PAGE.read_text().split("|---|---|---|---|\n")[1].strip().splitlines()
    assert shown == lines(), "copy the right side into docs/explanation/weights.md"


def test_every_line_is_told_apart_and_explained() -> None:
    assert len({a.what for a in ATTACKS}) == len(ATTACKS)
    assert all(known(a.code) is not None for a in ATTACKS)
    assert all(set(a.readers) <= set(EVERYBODY) for a in ATTACKS)
