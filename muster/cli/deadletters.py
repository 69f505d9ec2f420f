"""``muster deadletters``: what services could not use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from bus.events.base import PrincipalId
from bus.jetstream import JetStreamBroker
from muster import deadletters
from muster.cli.frame import Federation, Frame, Json, table
from muster.client import Client
from muster.deadletters import Letter
from muster.federation.create import role_of
from muster.federation.layout import OPERATOR

app = typer.Typer(no_args_is_help=True, help="Look at messages that services could not use. Needs the operator's keys.")

Sequence = Annotated[int, typer.Argument(help="Number of the dead letter, as 'list' shows it.", min=1)]


@app.command(name="list")
def list_(
    service: Annotated[str | None, typer.Option(help="Only what this service or edge could not use.")] = None,
    code: Annotated[str | None, typer.Option(help="Only what was refused with this error code.")] = None,
    last: Annotated[int, typer.Option(help="How many to show at most; the count is of all.", min=1)] = 100,
    federation: Federation = None,
    json: Json = False,
) -> None:
    """List dead letters, the newest last."""
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        async with frame.connect(OPERATOR) as client:
            found = await deadletters.letters(client.broker, service=service, code=code)
        shown = table("NUMBER", "TIME", "SERVICE", "CODE", "SUBJECT")
        for each in found[-last:]:
            time = f"{each.stored_at:%Y-%m-%d %H:%M:%S}"
            shown.add_row(str(each.sequence), time, each.service, _safe(each.code), _safe(each.message.subject))
        content = {"count": len(found), "letters": [_facts(each) for each in found[-last:]]}
        frame.out.result(content, *([shown] if found else []), f"{len(found)} dead letters")

    frame.run(work)


@app.command()
def show(
    sequence: Sequence,
    payload: Annotated[bool, typer.Option("--payload", help="Show the body too; it may be anybody's.")] = False,
    federation: Federation = None,
    json: Json = False,
) -> None:
    """Show one dead letter: who could not use it and why, and its headers."""
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        async with frame.connect(OPERATOR) as client:
            found = await deadletters.letter(client.broker, sequence)
            cause = await _cause(client, found)
        facts = {**_facts(found), "headers": dict(found.message.headers), "causation": found.causation, "cause": cause}
        if payload:
            facts["payload"] = deadletters.payload(found.message.data)
        shown = table("FIELD", "VALUE")
        for name, value in {**facts, **facts["headers"]}.items():
            if name != "headers" and value is not None:
                shown.add_row(_safe(name), _safe(str(value)))
        frame.out.result(facts, shown)

    frame.run(work)


@app.command()
def retry(sequence: Sequence, federation: Federation = None, json: Json = False) -> None:
    """Have the message of a dead letter handed out again, where that can help.

    It can for commands to an edge and closed cycles for the aggregator, once the reason is gone: later messages of the
    same consumer come again too, which does no harm. All else is refused, with what to do instead.
    """
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        layout = frame.layout
        description = layout.read()
        async with frame.connect(OPERATOR) as client:
            found = await deadletters.letter(client.broker, sequence)
            roles = {name: role_of(name, description)[0] for name in description.principals}
            consumer = deadletters.place(found, roles)
            original = await deadletters.original(client.broker, found, consumer)
            deadletters.usable(found, original, client.directory, datetime.now(UTC))
            assert isinstance(client.broker, JetStreamBroker)
            count = await deadletters.hand_out_again(client.broker.control, consumer, found.origin)
        content = {"sequence": sequence, "service": found.service, "origin": found.origin, "handed_out": count}
        said = f"{found.service} is handed message {found.origin} again, {count} messages in all"
        frame.out.result(content, said, f"what comes of it is in {layout.log(found.service)}; the dead letter stays")

    frame.run(work)


def _safe(text: str) -> Text:
    """Text of unknown origin, for a terminal: no markup, and nothing that a terminal would obey."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))


def _facts(found: Letter) -> dict[str, Any]:
    return {
        "sequence": found.sequence,
        "time": found.stored_at.isoformat(),
        "service": found.service,
        "code": found.code,
        "reason": found.reason,
        "subject": found.message.subject,
        "origin": found.origin,
        "size_bytes": len(found.message.data),
    }


async def _cause(client: Client, found: Letter) -> dict[str, object] | None:
    """What led to the message, as far as the log knows it."""
    if found.causation is None:
        return None
    async for record in client.read("ev.>"):
        if record.id == found.causation:
            return {"sequence": record.sequence, "type": record.body.TYPE, "actor": PrincipalId(record.actor)}
    return None
