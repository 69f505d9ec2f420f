"""``muster scores``: all metrics of an experiment's newest model, of the cohort and of each edge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from bus.errors import NotFound
from bus.events.base import PrincipalId
from bus.events.cycles import ModelEvaluated
from bus.events.metrics import METRICS, Better
from bus.events.tallies import Confusion
from bus.events.weights import FederatedScore, Score
from muster.cli.experiments import Id
from muster.cli.frame import As, Federation, Frame, Json, table
from muster.telling.outcomes import Outcome, outcomes

app = typer.Typer()
_MOST_EDGES: Final = 8
"""Edges that have a column each."""
_MOST_CLASSES: Final = 20
"""Classes whose confusion matrix is shown; of more, --json has it."""
_STAGES: Final = {"received": "the model as the edges received it", "trained": "each edge's model after its training"}
_BETTER: Final[Mapping[str, str]] = {Better.HIGHER: "↑", Better.LOWER: "↓", Better.ZERO: "→ 0"}
"""Which way is better."""


@app.command()
def scores(experiment: Id, federation: Federation = None, as_: As = None, json: Json = False) -> None:
    """Show all metrics of the newest model, of the cohort and of each edge, and the confusion matrix."""
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        async with frame.connect() as client:
            found = await client.experiment(experiment)
            scored = [each async for each in outcomes(client, found) if each.body.scores]
        if not scored:
            raise NotFound(f"no model of experiment {found.id} was scored yet", code="scores.missing")
        newest, classes = scored[-1], found.spec.data.classes
        frame.out.result({"experiment": found.id, **_facts(newest, classes)}, *_tables(newest, classes))

    frame.run(work)


def _facts(outcome: Outcome, classes: Sequence[str] | None) -> dict[str, Any]:
    return {
        "cycle": outcome.cycle,
        "scores": [{**score.model_dump(), "better": _better(score)} for score in outcome.body.scores],
        "edges": {edge: [score.model_dump() for score in update.scores] for edge, update in outcome.updates.items()},
        "classes": classes,
        "confusion": [matrix.model_dump() for matrix in _confusion(outcome)],
    }


def _better(score: FederatedScore) -> str | None:
    metric = METRICS.get(score.name)
    return None if metric is None else metric.better.value


def _confusion(outcome: Outcome) -> tuple[Confusion, ...]:
    body = outcome.body
    return body.confusion if isinstance(body, ModelEvaluated) else ()


def _tables(outcome: Outcome, classes: Sequence[str] | None) -> Iterator[str | Table]:
    edges = {edge: update.scores for edge, update in outcome.updates.items()}
    own = edges if len(edges) <= _MOST_EDGES else {}
    yield f"cycle {outcome.cycle}"
    for (stage, split), told in groupby(sorted(outcome.body.scores, key=_order), lambda each: (each.stage, each.split)):
        of = list(told)
        yield f"\n{split} rows, {_STAGES.get(stage, stage)}:"
        yield _metrics(of, own)
        yield from (f"{method}: {', '.join(names)}" for method, names in _methods(of).items())
        missing = [f"{score.name} has no value: {score.reason}" for score in of if score.value is None]
        yield from map(escape, missing)
    for matrix in _confusion(outcome):
        if classes is not None and len(classes) <= _MOST_CLASSES:
            yield f"\n{matrix.split} rows by true class (down) and predicted class (across):"
            yield _matrix(matrix, classes)


def _order(score: FederatedScore) -> tuple[str, str, int, str]:
    return score.stage, score.split, _place(score.name), score.name


def _metrics(of: Sequence[FederatedScore], edges: Mapping[PrincipalId, Sequence[Score]]) -> Table:
    """A row for each metric of one set of rows."""
    own = {edge: {(s.stage, s.split, s.name): s.value for s in said} for edge, said in edges.items()}
    shown = table("METRIC", "", "COHORT", "+-", *map(str, own))
    shown.columns[0].no_wrap = True
    for score in of:
        key = (score.stage, score.split, score.name)
        values = (_number(values.get(key)) for values in own.values())
        within = "" if score.within is None else f"{score.within:.4f}"
        shown.add_row(score.name, _BETTER.get(_better(score) or "", ""), _number(score.value), within, *values)
    return shown


def _methods(of: Sequence[FederatedScore]) -> dict[str, list[str]]:
    """How the cohort's values were combined -> the metrics."""
    found: dict[str, list[str]] = {}
    for score in of:
        found.setdefault(score.method, []).append(score.name)
    return found if len(found) != 1 else {method: ["all"] for method in found}


def _place(name: str) -> int:
    return list(METRICS).index(name) if name in METRICS else len(METRICS)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _matrix(matrix: Confusion, classes: Sequence[str]) -> Table:
    shown = table("", *classes)
    for name, counts in zip(classes, matrix.counts, strict=True):
        shown.add_row(name, *map(str, counts))
    return shown
