"""``muster run`` and ``muster fork``: submit an experiment, and follow it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.events.experiments import TaskData
from bus.runtime import telemetry
from muster.cli.experiments import Id
from muster.cli.frame import As, Federation, Frame, Json
from muster.client import Client
from muster.federation.layout import Layout
from muster.submission.fork import fork as submit_fork
from muster.submission.fork import fork_of, parameters_of
from muster.submission.submit import check as check_model
from muster.submission.submit import read_draft, resolve, submit
from muster.telling.display import Display, show_check
from muster.telling.follow import View, ended
from muster.telling.follow import follow as follow_to_end
from muster.telling.summary import headlines, score_text, summary

app = typer.Typer()


@app.command()
def run(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    follow: Annotated[bool, typer.Option("--follow", help="Show progress, and return when it has ended.")] = False,
    check: Annotated[bool, typer.Option(help="First check the model file in a worker here, on made-up rows.")] = True,
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Submit the experiment that a plan describes.

    Everything is checked before anything is sent: the plan, the model file, and that the data fits. With --follow the
    exit status tells how it ended: 0 completed or stopped, 7 refused by policy, 9 failed.
    """
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        draft = read_draft(plan)
        async with frame.connect() as client, traced(frame.layout, client.identity.principal):
            data, holders = resolve(draft, await client.datasets(), await client.edges())
            if check:
                await check_model(draft, data, lambda step: show_check(frame.out.prose, step))
            identity = await submit(client, draft, data, holders)
            at = f"at {', '.join(holders)}{_few(data)}"
            frame.out.say(f"submitted {identity}: {len(data.features)} features of {data.dataset} {at}")
            view = await followed(client, frame, identity) if follow else None
        _report(frame, identity, draft.digest, view)

    frame.run(work)


@app.command()
def fork(
    experiment: Id,
    from_cycle: Annotated[int, typer.Option(help="Training cycle whose global model it begins with; 0: the first.")],
    cycles: Annotated[int | None, typer.Option(help="Number of its last cycle.", show_default="as before")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed.", show_default="the same")] = None,
    strategy: Annotated[str | None, typer.Option(help="Another strategy.", show_default="the same")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="Of the strategy, e.g. beta=0.1; may be repeated.", show_default=False)
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Average that cycle's stored updates anew, instead of taking its model over.")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Send updates as they are, not encoded.")] = False,
    name: Annotated[str | None, typer.Option(help="Its name.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show progress, and return when it has ended.")] = False,
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Start a new experiment from a model of an old one, with the same model file on the same data.

    With the same seed and strategy the cycles that both have give the same models, bit for bit, unless edges go on from
    what they kept of another cycle. With --anew and another
    strategy, and --cycles the same as --from-cycle, nobody trains: what if the updates had been averaged otherwise?
    """
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        async with frame.connect() as client, traced(frame.layout, client.identity.principal):
            parent = await client.experiment(experiment)
            submission = fork_of(
                parent,
                from_cycle,
                cycles=cycles,
                seed=seed,
                strategy=strategy,
                parameters=parameters_of(parameter or ()),
                anew=anew,
                plain=plain,
                name=name,
            )
            identity = await submit_fork(client, submission)
            frame.out.say(f"submitted {identity}: goes on from cycle {from_cycle} of {parent.id}")
            view = await followed(client, frame, identity) if follow else None
        _report(frame, identity, submission.plan_digest, view)

    frame.run(work)


@asynccontextmanager
async def traced(layout: Layout, principal: str) -> AsyncIterator[None]:
    """The trace of an experiment begins here, with whoever submits it."""
    finish = telemetry.configure("muster", principal, layout.traces(principal))
    try:
        yield
    finally:
        finish()


async def followed(client: Client, frame: Frame, identity: Any) -> View:  # noqa: ANN401 - an id
    """Follow an experiment on the frame's terminal."""
    with Display(frame.out.prose).shown() as display:
        return await follow_to_end(client, identity, display.tell)


def _few(data: TaskData) -> str:
    """How many training rows are taken, if not all."""
    return f", {sum(split.rows for split in data.taken.values())} training rows" if data.taken else ""


def _report(frame: Frame, identity: str, plan: str, view: View | None) -> None:
    """What came of a submission, as far as it was followed.

    Raises:
        MusterError: It ended otherwise than it should.
    """
    if view is None:
        frame.out.result({"id": identity, "plan": plan}, identity)
        return
    ended(view)
    frame.out.result(_facts(view), *_lines(view))


def _facts(view: View) -> dict[str, Any]:
    return summary(view.experiment, view.world)


def _lines(view: View) -> list[str]:
    experiment = view.experiment
    lines = [f"{experiment.id} {experiment.phase}"]
    if experiment.global_model is not None:
        lines.append(f"model  {experiment.global_model.digest}")
    lines += _facts(view)["decided"]
    shown = headlines(experiment.scores)
    lines += [f"{score.split:<6} {score_text(score)}" for score in shown]
    if len(shown) < len(experiment.scores):
        lines.append(f"all {len(experiment.scores)} metrics: muster scores {experiment.id}")
    return [*lines, f"fetch it with: muster download {experiment.id}"]
