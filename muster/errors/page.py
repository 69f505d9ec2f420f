"""How an error's page looks, in the documentation and in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from bus.errors import MusterError, treatment
from muster.errors.entry import Entry, Who

NOTE: Final = "<!-- Written by scripts/reference.py from muster/errors; change that, then run `make docs`. -->"

_PEOPLE: Final = {
    Who.VENDOR: "The vendor",
    Who.OWNER: "The owner of the data",
    Who.OPERATOR: "The operator",
    Who.CALLER: "Whoever gave the command",
    Who.AUTHORS: "The authors of Muster, to whom it should be reported",
}
_REPORT: Final = "report"


def markdown(entry: Entry) -> str:
    """The page in the documentation."""
    lines = [f"# {entry.label} `{entry.code}`", "", NOTE, "", entry.meaning, ""]
    lines += [f"**Why, usually.** {entry.causes}", "", f"**What to do.** {_move(entry)}", ""]
    if entry.commands:
        lines += ["```sh", *entry.commands, "```", ""]
    lines += [f"**Where it is met.** {' '.join(_met(entry))}", "", "[All errors](../reference/errors.md)"]
    return "\n".join(lines) + "\n"


def plain(entry: Entry) -> list[str]:
    """The page in a terminal, a line for each part."""
    lines = [f"{entry.label} {entry.code}", entry.meaning, f"Why, usually: {entry.causes}"]
    lines += [f"What to do: {_move(entry)}", *(f"    {command}" for command in entry.commands)]
    return [*lines, f"Where it is met: {' '.join(_met(entry))}"]


def _move(entry: Entry) -> str:
    return f"{_PEOPLE[entry.who]}: {entry.step}."


@cache
def _statuses() -> dict[str, int]:
    """Family -> exit status."""
    found: dict[str, int] = {}
    families: list[type[MusterError]] = [MusterError]
    while families:
        family = families.pop()
        found.setdefault(family.family, treatment(family("")).exit_code)
        families += [each for each in family.__subclasses__() if each.__module__ == MusterError.__module__]
    return found


def _met(entry: Entry) -> Iterator[str]:
    for kind in entry.kinds:
        if kind == _REPORT:
            yield "In the report of an ingest."
        elif kind in _statuses():
            yield f"As an error of the family `{kind}`: exit status {_statuses()[kind]}."
        else:
            yield f"As a failure of the category `{kind}`."
