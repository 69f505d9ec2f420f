"""``muster plan``: look at plans without a federation."""

from __future__ import annotations

import json as codec
from pathlib import Path
from typing import Annotated

import typer

from muster.cli.frame import Frame, Json
from muster.submission.submit import read_draft
from training.plan import Plan

app = typer.Typer(no_args_is_help=True, help="Look at plans, without a federation.")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The plan, a YAML file.")], json: Json = False) -> None:
    """Check a plan and the header of its model file, as 'muster run' does before it looks for the data.

    Every wrong field is named with what is allowed. Nothing of the model file is run: 'muster model check' does that.
    """
    frame = Frame(as_json=json)

    async def work() -> None:
        draft = read_draft(file)
        plan, header = draft.plan, draft.header
        content = {
            "file": file.name,
            "digest": draft.digest,
            "framework": header.framework,
            "category": header.category,
            "plan": plan.model_dump(mode="json"),
        }
        about = f"{header.category} with {header.framework}, {plan.cycles} cycles by {plan.strategy.name}"
        frame.out.result(content, f"{file.name} can be run: {about} on {plan.data.dataset!r}")

    frame.run(work)


@app.command()
def schema() -> None:
    """Print the JSON Schema of plans, for editors that complete and check YAML."""
    typer.echo(codec.dumps(Plan.model_json_schema(), indent=2, ensure_ascii=False))
