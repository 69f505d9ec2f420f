"""``muster link``: does a model fit a dataset, and what is there to learn from?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from bus.errors import Invalid, treatment
from bus.events.datasets import Split
from muster.cli.frame import As, Federation, Frame, Json, table
from muster.linking import Link, plan_for
from muster.linking import link as link_to
from muster.rows import total
from muster.vetting import Subject
from training.dataset import SPLITS
from training.errors import TrainingError
from training.plan import Plan
from training.preprocessing.choices import Derived

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
                frame.out.result({}, *_shown(found))
            frame.out.fail(error, content)
            return treatment(error).exit_code
        frame.out.result(content, *_shown(found), f"\n{escape(model.name)} can be trained on {escape(dataset)}")
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


def _shown(found: Link) -> Iterator[RenderableType]:
    yield _requirements(found)
    yield ""
    yield _edges(found)
    yield ""
    yield _columns(found)
    yield ""
    if found.derivable:
        yield "features that can be made of these columns, e.g. in data.derive:"
        for each in found.derivable:
            yield escape(f"  - {_fragment(each)}")
    else:
        yield "no features can be made of these columns: too few hold numbers, or an owner does not permit it"
    for problem in found.problems:
        yield escape(f"\nto change, {problem.parameter}: {problem.fix}")
        yield from (escape(f"  - {each}") for each in problem.problems)


def _requirements(found: Link) -> Table:
    shown = table("PARAMETER", "EXPECTED", "FOUND", "OK")
    for each in found.requirements:
        mark = {True: "yes", False: "[bold red]NO[/]", None: "?"}[each.ok]
        shown.add_row(each.parameter, escape(each.expected), escape(each.found), mark)
    return shown


def _edges(found: Link) -> Table:
    taken = {} if found.data is None else found.data.taken
    shown = table("EDGE", "TRAIN", "TEST", *(["TAKEN"] if taken else []))
    for edge, splits in found.edges.items():
        parts = [*(splits.get(name) for name in SPLITS), *([taken.get(edge)] if taken else [])]
        shown.add_row(edge, *(escape(_counts(part)) for part in parts))
    together = [*(found.total[name] for name in SPLITS), *([total(taken.values())] if taken else [])]
    shown.add_row("all", *(escape(_counts(part)) for part in together))
    return shown


def _counts(split: Split | None) -> str:
    if split is None:
        return "none"
    classes = ", ".join(f"{name}: {count}" for name, count in sorted((split.classes or {}).items()))
    return f"{split.rows}" + (f" ({classes})" if classes else "")


def _columns(found: Link) -> Table:
    shown = table("COLUMN", "KIND", "USE", "MISSING", "MODIFIABLE", "NOT AT")
    for each in found.columns:
        kinds = " or ".join(each.kinds) + ("" if each.words is None else f", {each.words} words")
        modifiable = "yes" if each.modifiable else "no"
        shown.add_row(escape(each.name), kinds, each.use, f"{each.missing:.1%}", modifiable, ", ".join(each.absent))
    return shown


def _fragment(example: Derived) -> str:
    """As it stands in a plan, in one line."""
    said = example.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=math.inf)).strip()
