"""``muster retention``: what can still be replayed and forked; ``muster purge``: less of it, and room."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bus.errors import NotFound
from bus.events.custody import Keep
from muster.cli.experiments import Id
from muster.cli.frame import Federation, Frame, Json, table
from muster.federation.layout import OPERATOR
from muster.keeping.purge import planned, purge
from muster.keeping.retention import kept

app = typer.Typer()


@app.command()
def retention(experiment: Id, federation: Federation = None, json: Json = False) -> None:
    """Say what can still be replayed, forked and averaged anew of an experiment.

    Events are kept for ever: 'log', 'explain', 'verify' and 'replay --at' always work. Sealed weights are not.
    """
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        async with frame.connect(OPERATOR) as client:
            found = await client.experiment(experiment)
            facts = await kept(client, found)
        if not facts:
            raise NotFound(f"experiment {found.id} has no outcome yet", code="replay.nothing")
        shown = table("CYCLE", "REPLAY", "FORK", "AVERAGE ANEW")
        for each in facts:
            shown.add_row(each.cycle, each.replay or "yes", each.fork or "yes", each.anew or "yes")
        frame.out.result({"experiment": found.id, "outcomes": [asdict(each) for each in facts]}, shown)

    frame.run(work)


@app.command(name="purge")
def purge_(
    experiment: Id,
    keep: Annotated[Keep, typer.Option(help="What stays: models, last, and of what is over final or nothing.")],
    last: Annotated[int, typer.Option(min=1, help="With 'last': how many global models.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would go.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the log.")] = "",
    federation: Federation = None,
    json: Json = False,
) -> None:
    """Let go of sealed weights of one experiment, as the operator: room, for what can no longer be replayed.

    What the running cycle, a pause, a stop or a fork may need stays in any case. Events stay for ever.
    """
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        async with frame.connect(OPERATOR) as client:
            found = await client.experiment(experiment)
            going = await planned(client, found, keep, last)
            shown = table("STEP", "WHAT", "BODIES", "BYTES")
            for each in going:
                shown.add_row(each.step, each.what, str(each.bodies), str(each.size_bytes))
            done = await purge(client, found, keep, last, reason) if yes and going else None
        facts = {
            "experiment": found.id,
            "asked": yes and bool(going),
            "going": [asdict(each) for each in going],
            "purged": None if done is None else done.model_dump(mode="json"),
        }
        if not going:
            said = "nothing: what that would let go is gone, or still needed"
        elif not yes:
            said = "nothing was changed; with --yes this goes"
        elif done is None:
            said = "asked for; it is not done yet, 'muster log' will tell"
        else:
            left = f"; not removed: what lies in {', '.join(done.left)}" if done.left else ""
            said = f"{done.bodies} bodies were removed{left}"
        frame.out.result(facts, *([shown] if going else []), said)

    frame.run(work)
