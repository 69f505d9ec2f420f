"""How many of an edge's training rows are kept for validation, and how few that may be.

Rows are kept class by class; rows with a number to learn count as one class. Of a class with n rows, ``n * share`` rows
are kept, rounded (half to even), but at least one and never all: a class with one row is learnt from. So every class
that can be validated is, at every edge, and a share is too small once an edge would have to keep more than that share
in all: below its classes over its rows.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

MOST: Final = 0.5
"""Largest share: more rows are learnt from than are kept. Never below ``least_share``."""


def kept(rows: int, share: float) -> int:
    """How many of the rows of one class are kept for validation.

    Args:
        rows: Of the class, at one edge.
        share: Above 0 and at most ``MOST``.
    """
    return 0 if rows < 2 else min(max(round(rows * share), 1), rows - 1)


def least_share(counts: Collection[int]) -> float:
    """The smallest share with which an edge keeps a row of every class that has two; 0 if there is no such class.

    Args:
        counts: Rows per class at the edge; all rows as one count where a number is learnt.
    """
    rows = sum(counts)
    return sum(count >= 2 for count in counts) / rows if rows else 0.0
