"""``muster policy``: the operator's rulings."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from bus.events.base import FEDERATION, OwnerId
from bus.events.governance import FederationPaused, FederationResumed, Ruling, VendorAllowed, VendorDisallowed
from bus.events.strategies import KINDS
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
def show(federation: Federation = None, json: Json = False) -> None:
    """Show the rules that hold now."""
    frame = Frame(as_json=json, federation=federation)

    async def work() -> None:
        rules = Rules()
        async with frame.connect(OPERATOR) as client:
            for noun in ("vendor", "federation"):
                async for record in client.read(f"ev.federation.{noun}.>"):
                    if isinstance(record.body, Ruling):
                        rules = evolve(rules, record.body)
        content = {
            "vendors": sorted(rules.allowed),
            "paused": rules.paused,
            "strategies": sorted(KINDS),
            "digest": rules.digest,
        }
        paused = f"paused: {rules.paused}" if rules.paused else "not paused"
        frame.out.result(
            content,
            f"vendors: {', '.join(sorted(rules.allowed)) or 'none'}\nstrategies: {', '.join(sorted(KINDS))}"
            f"\n{paused}\nrule set {rules.digest}",
        )

    frame.run(work)
