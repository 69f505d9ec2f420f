"""``muster list``, ``log``, ``stop``, ``pause``, ``resume``, ``abort``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from bus.events.experiments import AbortRequested, PauseRequested, Request, ResumeRequested, StopRequested
from coordinator.domain.state import Experiment, Phase
from muster.cli.frame import As, Federation, Frame, Json, table
from muster.telling import failures
from muster.telling.explain import explained
from muster.telling.story import told
from muster.telling.summary import recent, summary, waiting_for

app = typer.Typer()

Id = Annotated[str, typer.Argument(help="The experiment's id, or its beginning or end if no other has it.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the log.")]


@app.command(name="list")
def list_(
    last: Annotated[int, typer.Option(min=1, help="Show so many, the newest.")] = 50,
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """List experiments and what each is waiting for."""
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        async with frame.connect() as client:
            facts, older = await recent(client, last)
        shown = table("ID", "NAME", "STATE", "CYCLES", "DATASET", "WAITING FOR")
        for fact in facts:
            cycles = f"{fact['cycles_done']}/{fact['cycles']}"
            shown.add_row(fact["id"], fact["name"], fact["state"], cycles, fact["dataset"], fact["waiting_for"] or "")
        if older:
            frame.out.say(f"older ones: {older}; show them with muster list --last {len(facts) + older}")
        frame.out.result({"experiments": facts}, shown if facts else "no experiments yet: start one with 'muster run'")

    frame.run(work)


@app.command()
def log(
    experiment: Id,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as events come, until it ends.")] = False,
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Show what happened in an experiment, event by event."""
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        events = []
        async with frame.connect() as client:
            found, world = await client.look_up(experiment)
            end = world.position
            async for record in client.history(found, follow=follow and not found.phase.final):
                line = told(record)
                events.append(line.facts)
                if not json:
                    frame.out.result({}, line.text)
                if record.sequence > end:
                    world.fold(record)
                    if world.experiments[found.id].phase.final:
                        break
        frame.out.result({"experiment": found.id, "events": events})

    frame.run(work)


@app.command()
def explain(
    experiment: Id,
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Tell the story of an experiment: who waited for whom, what was left out and why, how it ended."""
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        async with frame.connect() as client:
            found = await client.experiment(experiment)
            history = [record async for record in client.history(found)]
            story = explained(history)
            queued = await client.queued(found)
            reason = waiting_for(found, await client.world_of(found.id), queued)
        if reason is not None and not found.phase.final:
            story.append(f"Now it waits for: {reason}.")
        told_of = [
            {"sequence": record.sequence, **failures.facts(failure)}
            for record in history
            for failure in failures.within(record.body)
        ]
        content = {"experiment": found.id, "state": found.phase, "story": story, "failures": told_of}
        frame.out.result(content, *map(escape, story))

    frame.run(work)


def _request(kind: type[Request], identity: str, reason: str, frame: Frame, wanted: Phase) -> None:
    async def work() -> None:
        async with frame.connect() as client:
            after = await client.ask(kind, identity, reason, wanted)
            frame.out.result(summary(after, await client.world_of(after.id)), _answer(kind, after, wanted))

    frame.run(work)


def _answer(kind: type[Request], experiment: Experiment, wanted: Phase) -> str:
    word = kind.TYPE.split(".")[1].removesuffix("_requested")
    if experiment.phase is not wanted:
        return f"{word} asked for; experiment {experiment.id} is {experiment.phase} until the cycle that runs now ends"
    return f"experiment {experiment.id} is {experiment.phase}"


@app.command()
def stop(
    experiment: Id,
    reason: Reason = "",
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """End an experiment after its current cycle; the last global model is kept and it can be resumed."""
    _request(
        StopRequested, experiment, reason, Frame(as_json=json, federation=federation, principal=as_), Phase.STOPPED
    )


@app.command()
def pause(
    experiment: Id,
    reason: Reason = "",
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Open no further cycle until the experiment is resumed."""
    _request(
        PauseRequested, experiment, reason, Frame(as_json=json, federation=federation, principal=as_), Phase.PAUSED
    )


@app.command()
def resume(
    experiment: Id,
    reason: Reason = "",
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Go on after a pause or a stop."""
    _request(
        ResumeRequested, experiment, reason, Frame(as_json=json, federation=federation, principal=as_), Phase.RUNNING
    )


@app.command()
def abort(
    experiment: Id,
    reason: Reason = "",
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """End an experiment at once and discard the cycle that runs. This cannot be undone."""
    _request(
        AbortRequested, experiment, reason, Frame(as_json=json, federation=federation, principal=as_), Phase.ABORTED
    )
