"""What is known of one error: its number, what it means, why it comes, and whose move it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Who(StrEnum):
    """Whose move it is."""

    VENDOR = "vendor"
    """Who wrote the plan and the model file."""
    OWNER = "owner"
    """Who holds the data and runs an edge."""
    OPERATOR = "operator"
    """Who runs the server and the services."""
    CALLER = "caller"
    """Whoever gave the command."""
    AUTHORS = "authors"
    """Who wrote Muster: it is a fault, to be reported."""


@dataclass(frozen=True)
class Entry:
    """One numbered error.

    Attributes:
        number: Never changed, and never used again for something else.
        code: What the error carries. One that ends in ``.*`` stands for all that begin so.
        kinds: Families of ``bus.errors`` that it is raised as; categories of the failures that it is said in;
            ``report`` for lines in the report of an ingest.
        who: Whose move it is.
        meaning: What happened.
        causes: Why it usually happens.
        step: What to do next: a phrase without a full stop.
        commands: Commands that help.
    """

    number: int
    code: str
    kinds: tuple[str, ...]
    who: Who
    meaning: str
    causes: str
    step: str
    commands: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The number as it is shown, e.g. ``M1203``."""
        return f"M{self.number}"


@dataclass(frozen=True)
class Area:
    """Errors that a reader looks for in one place.

    Attributes:
        title: A heading.
        entries: In the order of their numbers.
    """

    title: str
    entries: tuple[Entry, ...]
