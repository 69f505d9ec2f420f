"""The scores of an experiment, cycle by cycle, as its log has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bus.events.cycles import CycleKind, ModelAveraged, ModelEvaluated
from bus.wire.record import Record
from muster.sdk.libraries import library

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Scored:
    """One metric of one cycle over all edges.

    Attributes:
        cycle: Number of the training cycle, from 1; the evaluation has that of the last one.
        split: ``train``, ``validation`` or ``test``.
        stage: ``received`` for the global model as the edges got it, ``trained`` after their training.
        metric: Its name, e.g. ``accuracy``.
        value: ``None`` if it could not be computed.
        rows: On how many rows.
        method: How the edges' values were combined.
        within: Most by which the value over all rows in one place can differ; ``None`` where it is the same, or
            nothing can be said: ``method`` tells which.
        reason: Why there is no value.
    """

    cycle: int
    split: str
    stage: str
    metric: str
    value: float | None
    rows: int
    method: str
    within: float | None
    reason: str | None


def scored(records: Iterable[Record]) -> tuple[Scored, ...]:
    """All scores that a history tells of, in its order; those of a cycle that was averaged anew count once."""
    outcomes: dict[tuple[int, CycleKind], ModelAveraged | ModelEvaluated] = {}
    for record in records:
        if isinstance(record.body, ModelAveraged | ModelEvaluated):
            outcomes[record.body.cycle.number, record.body.cycle.kind] = record.body
    return tuple(
        Scored(
            cycle=number,
            split=each.split,
            stage=each.stage,
            metric=each.name,
            value=each.value,
            rows=each.count,
            method=each.method,
            within=each.within,
            reason=each.reason,
        )
        for (number, _), body in outcomes.items()
        for each in body.scores
    )


@dataclass(frozen=True)
class Confused:
    """Which classes were taken for which, over all edges.

    Attributes:
        cycle: Number of the training cycle.
        split: Of the rows that were counted.
        counts: True class -> predicted class -> rows, in the order of the experiment's classes.
    """

    cycle: int
    split: str
    counts: tuple[tuple[int, ...], ...]


def confused(records: Iterable[Record]) -> tuple[Confused, ...]:
    """All confusion matrices that a history tells of, in its order."""
    return tuple(
        Confused(record.body.cycle.number, each.split, each.counts)
        for record in records
        if isinstance(record.body, ModelEvaluated)
        for each in record.body.confusion
    )


def frame(scores: Iterable[Scored]) -> pd.DataFrame:
    """A table with a row per score and the columns of ``Scored``; a value that is not there is NaN.

    Raises:
        Configuration: pandas is not installed.
    """
    pandas = library("pandas", "a table of the history")
    columns = list(Scored.__dataclass_fields__)
    made: pd.DataFrame = pandas.DataFrame([asdict(each) for each in scores], columns=columns)
    return made.astype({"value": "float64", "within": "float64"})
