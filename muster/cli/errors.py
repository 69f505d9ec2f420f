"""``muster errors``: the pages of all numbered errors, offline."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text

from muster.cli.frame import Frame, Json, table
from muster.errors.catalogue import AREAS, ENTRIES, found
from muster.errors.entry import Entry
from muster.errors.page import plain

app = typer.Typer()


@app.command()
def errors(
    name: Annotated[
        str | None, typer.Argument(help="A number, e.g. M1203, or a code, e.g. data.empty. Without it: all of them.")
    ] = None,
    json: Json = False,
) -> None:
    """Explain a numbered error: what happened, why usually, whose move it is. Needs no federation."""
    frame = Frame(as_json=json)

    async def work() -> None:
        if name is not None:
            entry = found(name)
            frame.out.result({"errors": [_facts(entry)]}, *map(escape, plain(entry)))
            return
        shown = table("NUMBER", "CODE", "MEANING")
        for area in AREAS:
            shown.add_row("", "", Text(area.title, style="bold"))
            for entry in area.entries:
                shown.add_row(entry.label, entry.code, Text(entry.meaning))
        frame.out.result({"errors": [_facts(entry) for entry in ENTRIES]}, shown)

    frame.run(work)


def _facts(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "number": entry.label}
