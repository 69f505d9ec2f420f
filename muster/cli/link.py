"""``muster link``: does a model fit a dataset, and what is there to learn from?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bus.errors import Invalid, treatment
from muster.cli.frame import As, Federation, Frame, Json
from muster.submission.linking import link as link_to
from muster.submission.linking import plan_for
from muster.submission.vetting import Subject
from muster.telling.link_display import shown
from training.errors import TrainingError
from training.plan import Plan

app = typer.Typer()


@app.command()
def link(
    model: Annotated[Path, typer.Argument(help="The model: a Python file, or a flat zip of several.")],
    dataset: Annotated[str, typer.Argument(help="Name of the dataset, as 'muster datasets' shows it.")],
    plan: Annotated[
        Path | None, typer.Option(help="Take columns, features and preprocessing from this plan.", show_default="none")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The column to be learned.", show_default="as the owners registered it")
    ] = None,
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Hold a model file to a dataset of the federation: does it fit, and what is there to learn from?

    Every parameter is shown with what was expected and found, then rows per class at each edge, the columns, and the
    features that can be made of them. Nothing of the model file is run, and nothing is sent. The exit status is 2 if it
    does not fit.
    """
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> int:
        header = Subject.read(model).header
        asked = _plan(plan, model, dataset, target)
        async with frame.connect() as client:
            found = link_to(header, asked, await client.datasets(), await client.edges())
        content = {"model": model.name, **found.model_dump(mode="json")}
        try:
            found.required()
        except Invalid as error:
            if not json:
                frame.out.result({}, *shown(found))
            frame.out.fail(error, content)
            return treatment(error).exit_code
        frame.out.result(content, *shown(found), f"\n{escape(model.name)} can be trained on {escape(dataset)}")
        return 0

    frame.run(work)


def _plan(file: Path | None, model: Path, dataset: str, target: str | None) -> Plan:
    if file is None:
        return plan_for(model, dataset, target)
    try:
        plan = Plan.load(file)
    except TrainingError as error:
        raise Invalid(error.message, code=error.code) from error
    data = plan.data.model_copy(update={"dataset": dataset, "target": target or plan.data.target})
    return plan.model_copy(update={"data": data})
