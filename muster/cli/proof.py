"""``muster replay``, ``export`` and ``verify``: proofs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bus.errors import Invalid, NotFound
from bus.identity.directory import Principal
from muster.cli import retraining
from muster.cli.experiments import Id
from muster.cli.frame import Federation, Frame, Json, table
from muster.federation.layout import OPERATOR
from muster.proof.replay import Moment, Recomputed, moment_of, replay, world_at
from muster.proof.verify import export_log, signed_for, verify_federation, verify_file
from muster.telling.summary import summary

app = typer.Typer()


@app.command(name="replay")
def replay_(
    experiment: Id,
    at: Annotated[
        str | None, typer.Option(help="Show the experiment as it was at this event (a sequence) or time (ISO 8601).")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Do the edges' own work again, beside the data, and compare the updates.")
    ] = False,
    edge: Annotated[
        list[str] | None,
        typer.Option(
            help="With --retrain: only this edge; can be repeated. Without it: all whose keys and data are here."
        ),
    ] = None,
    federation: Federation = None,
    json: Json = False,
) -> None:
    """Recompute every global model from the log and the stored updates, and compare the digests.

    Needs the aggregator's keys: run it where the aggregator runs. With --at nothing is recomputed: the log is folded up
    to that point, and the experiment shown as it was then.

    With --retrain the models are left alone, and the work of the edges is done again where their data is: with the
    seed, plan, model file, weights and limits of the record, in the same kind of worker. The exit status is 6 if
    something differs in the environment of the record, 3 if it differs, but only in another environment, 9 if a worker
    failed, 4 if something could not be done again, and 0 if all that was tried is equal.
    """
    frame = Frame(as_json=json, federation=federation)

    async def back_then(moment: Moment) -> int:
        async with frame.connect(OPERATOR) as client:
            found = await client.experiment(experiment)
            world = await world_at(client, moment)
        if found.id not in world.experiments:
            raise NotFound(f"experiment {found.id} was not submitted yet at {at}", code="replay.before")
        facts = summary(world.experiments[found.id], world)
        frame.out.result(facts, *(f"{name}: {value}" for name, value in facts.items() if value not in (None, [])))
        return 0

    async def work() -> int:
        if (at is not None and retrain) or (edge and not retrain):
            raise Invalid(
                "--at shows the past, --retrain does its work again: give one of them, and --edge with --retrain only",
                code="replay.options",
            )
        if at is not None:
            return await back_then(moment_of(at))
        if retrain:
            return await retraining.work(frame, experiment, tuple(edge or ()))

        def tell(result: Recomputed) -> None:
            verdict = "equal" if result.equal else "gone" if result.gone else "DIFFERENT"
            frame.out.say(f"{result.cycle:<18} {verdict}  {result.recorded[:19]}...")

        async with frame.connect(OPERATOR) as client:
            found = await client.experiment(experiment)
        async with frame.connect("aggregator") as aggregator:
            results = await replay(aggregator, found, tell)
        if not results:
            raise NotFound(f"experiment {found.id} has no outcome to replay yet", code="replay.nothing")
        return _report(frame, found.id, results)

    frame.run(work)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write it, as JSON lines.")],
    federation: Federation = None,
    json: Json = False,
) -> None:
    """Write the whole log to a file that can be verified anywhere, without the federation.

    It holds signed events and no weights, rows or private keys. Needs the operator's keys.
    """
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        async with frame.connect(OPERATOR) as client:
            await signed_for(client)
            count = await export_log(client.broker, Principal.load(frame.layout.anchor), file)
        frame.out.result({"events": count, "path": str(file.resolve())}, f"{count} events in {file.resolve()}")

    frame.run(work)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export; without it, the running federation's log.")] = None,
    anchor: Annotated[Path | None, typer.Option(help="The operator's public keys, anchor.json.")] = None,
    federation: Federation = None,
    json: Json = False,
) -> None:
    """Verify a log: every signature, that nothing is missing, and every checkpoint of the audit sink.

    A file is verified offline. The exit status is 6 if anything was changed.
    """
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        trusted = Principal.load(anchor) if anchor is not None else None
        if file is None:
            found = await verify_federation(frame.layout, trusted)
        else:
            trusted = trusted or _operator_here(frame, named=federation is not None)
            if trusted is None:
                frame.out.say("no --anchor and no federation here: believing the operator's key in the file itself")
            found = verify_file(file, trusted)
        content = {**asdict(found), "anchor": "file" if file is not None and trusted is None else "given"}
        shown = table("MESSAGE", "SUBJECT", "CODE")
        for each in found.unproven:
            # Anybody's bytes: they must not be taken for markup.
            shown.add_row(str(each.sequence), Text(each.subject), each.code)
        frame.out.result(content, str(found), *([shown] if found.unproven else []))

    frame.run(work)


def _operator_here(frame: Frame, *, named: bool) -> Principal | None:
    """The operator as known to the federation here; one that was ``named`` has to exist."""
    try:
        return Principal.load(frame.layout.anchor)
    except NotFound:
        if named:
            raise
        return None


def _report(frame: Frame, identity: str, results: list[Recomputed]) -> int:
    gone = [result for result in results if result.gone]
    different = [result for result in results if not result.equal and not result.gone]
    content = {
        "experiment": identity,
        "outcomes": [{**vars(result), "equal": result.equal} for result in results],
        "equal": not different and not gone,
    }
    if not different and not gone:
        frame.out.result(content, f"replay: {len(results)} outcomes recomputed, all digests equal")
        return 0
    shown = table("CYCLE", "RECORDED", "RECOMPUTED")
    for result in (*different, *gone):
        shown.add_row(result.cycle, result.recorded, result.found or f"not possible: {result.reason}")
    parts = [f"{len(results) - len(gone)} of {len(results)} outcomes recomputed"]
    parts.append(f"{len(different)} differ" if different else "all of them equal")
    if gone:
        parts.append(f"{len(gone)} can no longer be: their updates are gone")
    frame.out.result(content, f"replay: {', '.join(parts)}", shown)
    return 6 if different else 4
