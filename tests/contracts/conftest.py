"""One behaviour suite, two brokers; for blobs, a third store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.provision import provide_consumer
from bus.memory import MemoryBroker
from bus.ports import BlobStore
from bus.wire.topology import Consumer
from support.nats import running_server
from support.rig import Rig
from support.weed import Weed


@pytest.fixture(params=["memory", "jetstream"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    if request.param == "memory":
        memory = MemoryBroker()

        async def provide(consumer: Consumer) -> None:
            memory.provide(consumer)

        yield Rig(memory, provide)
        return
    async with (
        running_server(tmp_path) as server,
        JetStreamBroker.connect(Endpoint(server.settings.url, "tester")) as broker,
    ):
        yield Rig(broker, lambda consumer: provide_consumer(broker.control, consumer))


@pytest.fixture(params=["memory", "jetstream", "s3"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    if request.param == "memory":
        yield MemoryBroker().blobs()
        return
    if request.param == "s3":
        weed: Weed = request.getfixturevalue("weed")
        yield weed.blobs(weed.bucket())
        return
    async with (
        running_server(tmp_path) as server,
        JetStreamBroker.connect(Endpoint(server.settings.url, "tester")) as broker,
    ):
        yield broker.blobs()
