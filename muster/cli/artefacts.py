"""``muster download`` and ``muster predict``: models that leave the federation, and what they say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from muster.artefacts import download as fetch
from muster.artefacts import load, placed, predictions
from muster.cli.experiments import Id
from muster.cli.frame import As, Federation, Frame, Json

app = typer.Typer()


@app.command()
def download(
    experiment: Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the model. Made if it is missing.")] = Path(),
    federation: Federation = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Fetch, open and check the newest global model of an experiment.

    Writes model.safetensors, the model file as submitted.py if it was sealed for you, and artefact.json, which says
    what they are: all that 'muster predict' and muster.load() in Python need.
    """
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        async with frame.connect() as client:
            artefact = await fetch(client, await client.experiment(experiment), placed(out))
        facts, path = artefact.facts, artefact.weights
        code = None if artefact.code is None else str(artefact.code)
        content = {
            "experiment": facts.experiment,
            "path": str(path),
            "digest": facts.digest,
            "bytes": facts.size_bytes,
            "code": code,
        }
        frame.out.result(content, f"{path}\n{facts.digest}")

    frame.run(work)


@app.command()
def predict(
    directory: Annotated[Path, typer.Argument(help="What 'muster download' wrote.")],
    rows: Annotated[
        Path, typer.Argument(help="CSV file with a header; columns that the model does not know are ignored.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file for the predictions.")] = Path("predictions.csv"),
    code: Annotated[
        Path | None, typer.Option(help="The model file, if it was not downloaded with the model.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Have a downloaded model predict; needs no federation and no keys.

    The model file runs in a worker without network. The predictions have a line per row, in the order of the rows.
    """
    frame = Frame(as_json=json)

    async def work() -> None:
        artefact = load(directory, code=code)
        found = await predictions(artefact, rows)
        count = len(found.values)
        await asyncio.to_thread(found.write, out, artefact.task)
        frame.out.result({"path": str(placed(out)), "rows": count}, f"{count} rows predicted: {placed(out)}")

    frame.run(work)
