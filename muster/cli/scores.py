"""``muster scores``: all metrics of an experiment's newest model, of the cohort and of each edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from bus.errors import NotFound
from bus.events.base import PrincipalId
from bus.events.cycles import ModelAveraged, ModelEvaluated
from bus.events.metrics import METRICS
from bus.events.tallies import Confusion
from bus.events.weights import FederatedScore, Score
from muster.cli.experiments import Id
from muster.cli.frame import As, Federation, Frame, Json, table
from muster.outcomes import Outcome, outcomes

app = typer.Typer()
_MOST_EDGES: Final = 8
"""Edges that have a column each."""
_MOST_CLASSES: Final = 20
"""Classes whose confusion matrix is shown; of more, --json has it."""


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


def _tables(outcome: Outcome, classes: Sequence[str] | None) -> list[str | Table]:
    edges = {edge: update.scores for edge, update in outcome.updates.items()}
    shown: list[str | Table] = [
        f"cycle {outcome.cycle}",
        _metrics(outcome.body, edges if len(edges) <= _MOST_EDGES else {}),
    ]
    missing = [f"{score.name} ({score.split}): {score.reason}" for score in outcome.body.scores if score.value is None]
    shown += ["no value:", *map(escape, missing)] if missing else []
    for matrix in _confusion(outcome):
        if classes is not None and len(classes) <= _MOST_CLASSES:
            shown += [
                f"{matrix.split} rows by true class (down) and predicted class (across):",
                _matrix(matrix, classes),
            ]
    return shown


def _metrics(body: ModelAveraged | ModelEvaluated, edges: Mapping[PrincipalId, Sequence[Score]]) -> Table:
    own = {edge: {(s.stage, s.split, s.name): s.value for s in said} for edge, said in edges.items()}
    shown = table("ROWS OF", "METRIC", "COHORT", "+-", *map(str, own), "BETTER", "COMBINED")
    for score in sorted(body.scores, key=lambda score: (score.stage, score.split, _place(score.name), score.name)):
        key = (score.stage, score.split, score.name)
        values = (_number(values.get(key)) for values in own.values())
        within = "" if score.within is None else f"{score.within:.4f}"
        shown.add_row(
            *(score.split, score.name, _number(score.value), within, *values, _better(score) or "", score.method)
        )
    return shown


def _place(name: str) -> int:
    return list(METRICS).index(name) if name in METRICS else len(METRICS)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _matrix(matrix: Confusion, classes: Sequence[str]) -> Table:
    shown = table("", *classes)
    for name, counts in zip(classes, matrix.counts, strict=True):
        shown.add_row(name, *map(str, counts))
    return shown
