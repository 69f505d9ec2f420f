"""``muster up``: a whole federation in one directory."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from bus.errors import Invalid
from muster.cli.frame import Frame, Json
from muster.federation.create import create
from muster.federation.layout import SERVICES, Layout
from muster.federation.store import Store
from muster.federation.supervisor import running

app = typer.Typer()


@app.command()
def up(
    directory: Annotated[Path, typer.Argument(help="Where everything is kept. Made if it is missing.")],
    edges: Annotated[int | None, typer.Option(help="How many edges; they are named edge-1, edge-2, ...")] = None,
    edge: Annotated[list[str] | None, typer.Option(help="Name of an edge; give it once per edge.")] = None,
    vendor: Annotated[list[str] | None, typer.Option(help="Name of a vendor; give it once per vendor.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the NATS server, on loopback.", show_default="a free one")
    ] = None,
    lease: Annotated[float, typer.Option(help="Seconds for which a silent process still counts as alive.")] = 10.0,
    s3: Annotated[
        str | None, typer.Option(help="S3-compatible store for large models: https://HOST[:PORT]/BUCKET[?region=NAME].")
    ] = None,
    s3_keys: Annotated[
        Path | None, typer.Option(help="JSON file: principal, or * for all, to access_key_id and secret_access_key.")
    ] = None,
    s3_ca: Annotated[Path | None, typer.Option(help="PEM file of certificates to trust there.")] = None,
    json: Json = False,
) -> None:
    """Start a federation, and keep it running until interrupted.

    Sets up keys, a NATS server and one process per service and edge. A process that dies is started again.
    Run it again on the same directory to go on where it stopped.
    """
    frame = Frame(as_json=json)

    async def work() -> None:
        store = _store(s3, s3_keys, s3_ca)
        layout = _layout(directory, edges, edge or [], vendor or [], port, lease, store)
        here = asyncio.current_task()
        assert here is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, here.cancel)

        def restarted(name: str, status: int) -> None:
            frame.out.say(f"{name} ended with status {status}; starting it again")

        frame.out.say(f"starting the federation in {layout.directory}")
        try:
            async with running(layout, on_restart=restarted):
                _ready(frame, layout)
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            # A signal is how it is meant to end, at whatever point it comes.
            frame.out.say("stopped")

    frame.run(work)


def _store(url: str | None, keys: Path | None, ca: Path | None) -> Store | None:
    if url is None and keys is None and ca is None:
        return None
    if url is None or keys is None:
        raise Invalid("an S3 store needs both --s3 URL and --s3-keys FILE", code="s3.url")
    return Store.read(url, keys, ca)


def _layout(
    directory: Path,
    count: int | None,
    edges: list[str],
    vendors: list[str],
    port: int | None,
    lease_s: float,
    store: Store | None,
) -> Layout:
    layout = Layout(directory)
    if layout.exists and count is None and not edges and not vendors:
        description = layout.read()
        names, tenants = description.edges, description.vendors
    else:
        names = tuple(edges) or tuple(f"edge-{n}" for n in range(1, (count or 3) + 1))
        tenants = tuple(vendors) or ("acme",)
    return create(directory, edges=names, vendors=tenants, port=port, lease_s=lease_s, store=store)


def _ready(frame: Frame, layout: Layout) -> None:
    description = layout.read()
    content = {
        "federation": str(layout.directory),
        "server": description.url,
        "services": list(SERVICES),
        "edges": list(description.edges),
        "vendors": list(description.vendors),
    }
    frame.out.result(
        content,
        f"ready: {', '.join(SERVICES)}; edges {', '.join(description.edges)}; vendors {', '.join(description.vendors)}",
        f"in another terminal: export MUSTER_FEDERATION={layout.directory}",
    )
