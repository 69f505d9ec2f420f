"""``muster replay``, ``export`` and ``verify``: proofs."""

from __future__ import annotations

import typer

from bus.errors import NotFound
from muster.cli.experiments import Id
from muster.cli.frame import Federation, Frame, Json, table
from muster.federation.layout import OPERATOR
from muster.replay import Recomputed, replay

app = typer.Typer()


@app.command(name="replay")
def replay_(experiment: Id, federation: Federation = None, json: Json = False) -> None:
    """Recompute every global model from the log and the stored updates, and compare the digests.

    Needs the aggregator's keys: run it where the aggregator runs.
    """
    frame = Frame(as_json=json, federation=federation)

    async def work() -> int:
        def tell(result: Recomputed) -> None:
            frame.out.say(f"{result.cycle:<18} {'equal' if result.equal else 'DIFFERENT'}  {result.recorded[:19]}...")

        async with frame.connect(OPERATOR) as client:
            found = await client.experiment(experiment)
        async with frame.connect("aggregator") as aggregator:
            blobs = aggregator.broker.blobs()
            results = await replay(aggregator.history(found), blobs, aggregator.identity, tell)
        if not results:
            raise NotFound(f"experiment {found.id} has no outcome to replay yet", code="replay.nothing")
        return _report(frame, found.id, results)

    frame.run(work)


def _report(frame: Frame, identity: str, results: list[Recomputed]) -> int:
    different = [result for result in results if not result.equal]
    content = {
        "experiment": identity,
        "outcomes": [{**vars(result), "equal": result.equal} for result in results],
        "equal": not different,
    }
    if not different:
        frame.out.result(content, f"replay: {len(results)} outcomes recomputed, all digests equal")
        return 0
    shown = table("CYCLE", "RECORDED", "RECOMPUTED")
    for result in different:
        shown.add_row(result.cycle, result.recorded, result.found or f"not possible: {result.reason}")
    frame.out.result(content, f"replay: {len(different)} of {len(results)} outcomes differ", shown)
    return 6
