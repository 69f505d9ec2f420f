"""``muster policy``: the operator's rulings."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from bus.events.base import FEDERATION, OwnerId
from bus.events.custody import Keep, KeepingRuled
from bus.events.governance import FederationPaused, FederationResumed, Ruling, VendorAllowed, VendorDisallowed
from bus.events.strategies import KINDS
from bus.wire import subjects
from muster.cli.frame import Federation, Frame, Json
from muster.federation.layout import OPERATOR
from policy_engine.domain.rules import Rules, evolve

app = typer.Typer(no_args_is_help=True, help="Rule over the federation, as its operator. Every ruling is an event.")

Vendor = Annotated[str, typer.Argument(help="The vendor's name.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the log.")]


def _rule(ruling: Ruling, frame: Frame, said: str) -> None:
    async def work() -> None:
        async with frame.connect(OPERATOR) as client:
            await client.say(ruling, FEDERATION)
        frame.out.result({"ruling": ruling.TYPE, **ruling.model_dump(mode="json")}, said)

    frame.run(work)


@app.command()
def allow(vendor: Vendor, reason: Reason = "", federation: Federation = None, json: Json = False) -> None:
    """Let a vendor submit experiments."""
    ruling = VendorAllowed(vendor=OwnerId(vendor), request=secrets.token_hex(6), reason=reason)
    _rule(ruling, Frame(as_json=json, federation=federation), f"vendor {vendor} may submit experiments")


@app.command()
def disallow(vendor: Vendor, reason: Reason = "", federation: Federation = None, json: Json = False) -> None:
    """Let a vendor submit no further experiments; those that run go on."""
    ruling = VendorDisallowed(vendor=OwnerId(vendor), request=secrets.token_hex(6), reason=reason)
    _rule(ruling, Frame(as_json=json, federation=federation), f"vendor {vendor} may submit no further experiments")


@app.command()
def pause(reason: Reason = "", federation: Federation = None, json: Json = False) -> None:
    """Pause the whole federation: no cycle opens anywhere until it is resumed."""
    ruling = FederationPaused(federation=FEDERATION, request=secrets.token_hex(6), reason=reason)
    _rule(ruling, Frame(as_json=json, federation=federation), "the federation is paused")


@app.command()
def resume(reason: Reason = "", federation: Federation = None, json: Json = False) -> None:
    """End a pause of the whole federation."""
    ruling = FederationResumed(federation=FEDERATION, request=secrets.token_hex(6), reason=reason)
    _rule(ruling, Frame(as_json=json, federation=federation), "the federation goes on")


@app.command()
def keep(
    what: Annotated[
        Keep, typer.Argument(help="What stays of sealed weights: everything, models, or the last global models.")
    ],
    last: Annotated[int, typer.Option(min=1, help="With 'last': how many global models.")] = 1,
    days: Annotated[
        float | None,
        typer.Option(min=0, help="After so many days, an experiment that is over keeps its newest global model alone."),
    ] = None,
    reason: Reason = "",
    federation: Federation = None,
    json: Json = False,
) -> None:
    """Rule what is kept of sealed weights, of old experiments too. What is let go cannot be replayed any more.

    'everything' keeps all. 'models' lets updates go once the next cycle's outcome is there; every global model stays.
    'last' keeps only the newest global models, and what the running cycle needs.
    """
    if what in {Keep.FINAL, Keep.NOTHING}:
        raise typer.BadParameter(f"{what.value!r} is for one experiment: muster purge ID --keep {what.value}")
    ruling = KeepingRuled(
        federation=FEDERATION, keep=what, last=last, days=days, request=secrets.token_hex(6), reason=reason
    )
    count = f" {last}" if what is Keep.LAST else ""
    aged = "" if days is None else f"; after {days:g} days, of what is over the newest model alone"
    _rule(ruling, Frame(as_json=json, federation=federation), f"kept of sealed weights: {what.value}{count}{aged}")


@app.command()
def show(federation: Federation = None, json: Json = False) -> None:
    """Show the rules that hold now."""
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        rules, kept = Rules(), KeepingRuled(federation=FEDERATION, keep=Keep.EVERYTHING, request="")
        async with frame.connect(OPERATOR) as client:
            for noun in ("vendor", "federation"):
                async for record in client.read(f"ev.federation.{noun}.>"):
                    if isinstance(record.body, Ruling):
                        rules = evolve(rules, record.body)
            async for record in client.read(subjects.said(KeepingRuled)):
                kept = record.body if isinstance(record.body, KeepingRuled) else kept
        content = {
            "vendors": sorted(rules.allowed),
            "paused": rules.paused,
            "strategies": sorted(KINDS),
            "kept": kept.model_dump(mode="json", include={"keep", "last", "days"}),
            "digest": rules.digest,
        }
        paused = f"paused: {rules.paused}" if rules.paused else "not paused"
        frame.out.result(
            content,
            f"vendors: {', '.join(sorted(rules.allowed)) or 'none'}\nstrategies: {', '.join(sorted(KINDS))}"
            f"\n{paused}\nkept of sealed weights: {kept.keep}\nrule set {rules.digest}",
        )

    frame.run(work)
