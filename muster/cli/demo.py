"""``muster demo``: the whole of it in one command."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from muster.cli.frame import Frame, Json, table
from muster.demo.run import Outcome, demonstrate, prepare

app = typer.Typer()

_SHOWN = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss")


@app.command()
def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where everything is kept.")] = Path("demo"),
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Write data, plan and model file, and start nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Train one model at three hospitals on real data, and check every claim.

    Starts a federation of separate processes, ingests breast-cancer records split unevenly between three hospitals,
    trains, compares with each hospital alone and with pooled data, verifies the audit log and recomputes every global
    model. The exit status is 0 only if all of it held.
    """
    frame = Frame(as_json=json)

    async def work() -> int:
        began = time.monotonic()
        if files_only:
            _, plan = prepare(directory)
            frame.out.result({"plan": str(plan.resolve())}, f"data, model file and plan are in {directory.resolve()}")
            return 0
        outcome = await demonstrate(directory, frame.out)
        _report(frame, outcome, time.monotonic() - began)
        return 0 if outcome.held else 6

    frame.run(work)


def _report(frame: Frame, outcome: Outcome, took_s: float) -> None:
    shown = table("TRAINED", "ROWS", *(name.upper() for name in _SHOWN))
    for row in outcome.rows:
        values = (row.scores[name] for name in _SHOWN)
        shown.add_row(row.who, str(row.rows), *("none" if value is None else f"{value:.4f}" for value in values))
    models = [each for each in outcome.replayed if each.is_model]
    different = Counter(each.equal for each in outcome.replayed)[False]
    verdict = "all digests equal" if not different else f"{different} DIFFERENT"
    frame.out.result(
        {
            "experiment": outcome.experiment,
            "scores": [vars(row) for row in outcome.rows],
            "test_rows": outcome.test_rows,
            "model": str(outcome.model.resolve()),
            "digest": outcome.digest,
            "audit": vars(outcome.audit),
            "replayed": len(models),
            "equal": not different,
            "seconds": round(took_s, 1),
        },
        f"\nscores on the {outcome.test_rows} held-out records of all three hospitals:",
        shown,
        f"\nmodel:  {outcome.model.resolve()}\n        {outcome.digest}",
        str(outcome.audit),
        f"replay: {len(models)} global models recomputed, {verdict}",
        f"took {took_s:.0f} s",
    )
