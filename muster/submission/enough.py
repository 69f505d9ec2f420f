"""What a plan needs of the rows: that those it takes are there, and enough to learn from and to validate with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from muster.submission.requirement import Requirement, listed, said
from muster.submission.rows import LeastSplit, Rows, total
from training.plan import Plan
from training.splitting import MOST

_PLACES: Final = 10_000
"""Shares are shown to four places."""


def taken(plan: Plan, found: Rows, registered: Rows, problems: Iterable[str]) -> Requirement:
    """That the rows that the plan takes are there, and enough to learn from."""
    asked = plan.data.rows
    there, all_of_them = total(found.values()), total(registered.values())
    by_edge = listed(f"{edge} {split.rows}" for edge, split in found.items())
    return Requirement.held(
        "rows",
        "all" if asked is None else said(asked.model_dump(exclude_none=True)),
        f"{there.rows} of {all_of_them.rows}: {by_edge}",
        problems,
        "correct data.rows by the rows that each edge has",
        code="plan.rows",
    )


def validation(plan: Plan, least: LeastSplit) -> Requirement:
    """That the validation split leaves every edge a row of every class to validate with."""
    share = plan.training.validation_split
    # Upwards, so that the number that is shown will do.
    shown = f"{math.ceil(least.share * _PLACES) / _PLACES:g}"
    if not least.share:
        allowed, fix = "0: no edge has two rows of a class", "set it to 0, for no validation"
        problem = f"validation_split is {share:g}, and no edge has two rows of a class"
    else:
        allowed = f"0, or {shown} ({least.edge} has {least.rows} rows) to {MOST:g}"
        fix = f"set it to 0, for no validation, or to at least {shown}"
        problem = (
            f"validation_split is {share:g}: {least.edge} has {least.rows} rows to learn from, and needs {shown} for "
            "a row of every class"
        )
    problems = [problem] if share and (not least.share or share < least.share) else []
    return Requirement.held(
        "validation_split", f"{share:g}", f"possible: {allowed}", problems, fix, code="plan.validation"
    )
