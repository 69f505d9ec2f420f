"""How many training rows each edge takes: what a plan says, apportioned to what the edges registered.

What is asked for over several edges or classes is apportioned in proportion to the rows that are there, by the method
of largest remainders (Hamilton's): each gets its quota rounded down, and what is left goes one by one to the largest
remainders; of equal ones to the larger count, then to the first in the order of names. It is exact arithmetic on whole
numbers, never gives more than is there, and gives the same numbers to everybody who works it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from bus.events.base import PrincipalId
from bus.events.datasets import Split
from bus.suggestions import did_you_mean
from muster.submission.columns import Holders
from muster.submission.rows import Rows
from muster.submission.rows import registered as of_all
from training.taking import Taken, TakenHere

_ALL: Final = ""
"""Stands for the class of rows whose target is a number."""
_Cell = tuple[PrincipalId, str]
"""An edge, and one of its classes."""
_Key = TypeVar("_Key", PrincipalId, _Cell)


def apportioned(total: int, there: Mapping[_Key, int]) -> dict[_Key, int]:
    """``total`` in proportion to what is there; see the module.

    Args:
        total: At least 0, and at most the sum of ``there``.
        there: Names -> how many there are, none negative.
    """
    whole = sum(there.values())
    if not whole:
        return dict.fromkeys(there, 0)
    quotas = {name: divmod(total * count, whole) for name, count in there.items()}
    found = {name: quota for name, (quota, _) in quotas.items()}
    first = sorted(there, key=lambda name: (-quotas[name][1], -there[name], name))
    for name in first[: total - sum(found.values())]:
        found[name] += 1
    return found


def taken(asked: Taken | None, holders: Holders) -> tuple[Rows, tuple[str, ...]]:
    """How many rows each edge takes, and what about that cannot be; without problems the former is what edges are told.

    Args:
        asked: What the plan says; ``None``: all rows are taken.
        holders: What the edges registered, and how few rows their owners permit.
    """
    registered = of_all(holders)
    if asked is None:
        return registered, ()
    there = {(edge, label): rows for edge, split in registered.items() for label, rows in _classes(split).items()}
    problems = list(_problems(asked, registered, there))
    if problems:
        return registered, tuple(problems)
    if asked.edges is None:
        cells = _over(asked, there)
    else:
        cells = dict(there)
        for edge, here in asked.edges.items():
            cells |= _over(here, {cell: rows for cell, rows in there.items() if cell[0] == edge})
    found = {edge: _split(split, edge, cells) for edge, split in registered.items()}
    return found, tuple(_left(found, holders, registered))


def _over(asked: Taken | TakenHere, there: Mapping[_Cell, int]) -> dict[_Cell, int]:
    if asked.share is not None:
        return {cell: min(rows, max(1, round(rows * asked.share))) if rows else 0 for cell, rows in there.items()}
    if asked.total is not None:
        return apportioned(asked.total, there)
    found = dict(there)
    for label, wanted in (asked.classes or {}).items():
        found |= apportioned(wanted, {cell: rows for cell, rows in there.items() if cell[1] == label})
    return found


def _problems(asked: Taken, registered: Rows, there: Mapping[_Cell, int]) -> Iterator[str]:
    """What is asked for and is not there."""
    if asked.edges is None:
        yield from _missing(asked, there, "all edges together have", "no edge has")
        return
    for name, here in asked.edges.items():
        if name in registered:
            of_edge = {cell: rows for cell, rows in there.items() if cell[0] == name}
            yield from _missing(here, of_edge, f"{name} has", f"{name} does not have")
        else:
            yield f"data.rows names {name!r}, which does not hold the dataset; {did_you_mean(name, registered)}"


def _missing(asked: Taken | TakenHere, there: Mapping[_Cell, int], having: str, lacking: str) -> Iterator[str]:
    labels: Counter[str] = Counter()
    for (_, label), rows in there.items():
        labels[label] += rows
    if asked.total is not None and asked.total > labels.total():
        yield f"data.rows asks for {asked.total} rows, {having} {labels.total()}"
    if asked.classes and labels.keys() <= {_ALL}:
        yield "data.rows names classes, and a number is learnt: say share or total"
        return
    for label, wanted in (asked.classes or {}).items():
        if not labels[label]:
            yield f"data.rows names the class {label!r}, which {lacking}; {did_you_mean(label, sorted(labels))}"
        elif wanted > labels[label]:
            yield f"data.rows asks for {wanted} rows of {label!r}, {having} {labels[label]}"


def _left(found: Rows, holders: Holders, registered: Rows) -> Iterator[str]:
    """What is too little to learn from, or to permit."""
    for edge, split in found.items():
        least = holders[edge].least_taken
        if split.rows < min(least, registered[edge].rows):
            yield (
                f"{edge} would take {split.rows} of its {registered[edge].rows} rows, and its owner permits no fewer "
                f"than {least}: ask for more, or say how many of each edge (data.rows.edges)"
            )
    labels = {label for split in found.values() for label, rows in (split.classes or {}).items() if rows}
    if any(split.classes is not None for split in found.values()) and len(labels) < 2:
        yield f"rows of fewer than two classes would be left ({', '.join(sorted(labels)) or 'none'}): ask for more rows"


def _split(split: Split, edge: PrincipalId, cells: Mapping[_Cell, int]) -> Split:
    counts = {label: cells[edge, label] for label in _classes(split)}
    return Split(rows=sum(counts.values()), classes=None if split.classes is None else counts)


def _classes(split: Split) -> Mapping[str, int]:
    return {_ALL: split.rows} if split.classes is None else split.classes
