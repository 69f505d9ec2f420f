"""A real NATS server for a test: free port, own directory, streams as a federation has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.provision import provide_streams
from bus.jetstream.server import EmbeddedServer, ServerSettings, free_port

GIB = 1024**3


@asynccontextmanager
async def running_server(directory: Path) -> AsyncIterator[EmbeddedServer]:
    """A server without authorisation."""
    server = EmbeddedServer(ServerSettings(directory / "nats", free_port(), {}, disk_bytes=4 * GIB))
    await server.start()
    try:
        async with JetStreamBroker.connect(Endpoint(server.settings.url, "setup")) as broker:
            await provide_streams(broker.control, disk_bytes=4 * GIB)
        yield server
    finally:
        await server.stop()
