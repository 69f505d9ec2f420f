"""A real NATS server and a real S3 server, with a connection for each principal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bus.events.weights import S3
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.provision import provide_consumer
from support import people
from support.nats import running_server
from support.spine import CONSUMERS
from support.weed import ADMIN, Weed


@dataclass
class Place:
    """Both stores, and how each principal sees them."""

    brokers: dict[str, JetStreamBroker]
    weed: Weed
    bucket: str
    _numbers = count(1)

    def name(self) -> str:
        """An experiment's id that nobody used."""
        return f"T{next(self._numbers)}"


@asynccontextmanager
async def place(folder: Path, weed: Weed) -> AsyncIterator[Place]:
    """Both servers, as long as the block runs."""
    bucket = weed.bucket()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(folder))
        brokers = {
            name: await stack.enter_async_context(
                JetStreamBroker.connect(Endpoint(server.settings.url, name), stores={S3: weed.blobs(bucket, ADMIN)})
            )
            for name in people.ROLES
        }
        for consumer in CONSUMERS:
            await provide_consumer(brokers["operator"].control, consumer)
        yield Place(brokers, weed, bucket)
