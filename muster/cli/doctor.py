"""``muster doctor``: what is wrong, what it means, what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import typer
from rich.text import Text

from muster.cli.frame import Federation, Frame, Json, table
from muster.doctor.diagnosis import Diagnosis, diagnose
from muster.doctor.facts import State
from muster.doctor.gather import gather

app = typer.Typer()

_STYLES: Final = {State.OK: "green", State.WARNING: "yellow", State.BROKEN: "bold red"}


@app.command()
def doctor(federation: Federation = None, json: Json = False) -> None:
    """Check the federation: server, streams, disk, keys, processes, clocks, edges, backlog, dead letters.

    Changes nothing, and works while the federation is down. Needs the operator's keys. The exit status is 1 if anything
    is broken; warnings do not count.
    """
    frame = Frame(as_json=json, federation=federation)

    async def work() -> int:
        found = diagnose(await gather(frame.layout))
        _show(frame, found)
        return 1 if found.state is State.BROKEN else 0

    frame.run(work)


def _show(frame: Frame, found: Diagnosis) -> None:
    shown = table("CHECK", "STATE", "FOUND", "MEANING", "REMEDY")
    for each in found.findings:
        state = Text(each.state, style=_STYLES[each.state])
        # As text: a path or a reason may hold what would be markup.
        shown.add_row(each.check, state, Text(each.found), Text(each.meaning), Text(each.remedy))
    frame.out.result({"state": found.state, "findings": [asdict(each) for each in found.findings]}, shown)
