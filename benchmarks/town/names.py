"""Names that processes with edges share with what starts them."""

from __future__ import annotations

from typing import Final

EDGES: Final = "edges"
"""What the processes with edges are called, each with a number behind it."""
DATASET: Final = "numbers"
"""The one dataset of every edge."""


def name_of(number: int) -> str:
    """The name of an edge."""
    return f"edge-{number:05}"
