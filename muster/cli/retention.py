"""``muster retention``: what can still be replayed and forked."""

from __future__ import annotations

from dataclasses import asdict

import typer

from bus.errors import NotFound
from muster.cli.experiments import Id
from muster.cli.frame import Federation, Frame, Json, table
from muster.federation.layout import OPERATOR
from muster.retention import kept

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
