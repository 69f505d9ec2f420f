"""A server whose disk is full: nothing that it acknowledged is lost, and everybody goes on when there is room."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from bus.errors import Unavailable
from bus.events.cycles import UpdateSealed
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.provision import provide_streams
from bus.jetstream.server import EmbeddedServer, ServerSettings, free_port
from bus.runtime.snapshots import Snapshot, SnapshotFile
from bus.wire.message import Message
from bus.wire.record import Record
from bus.wire.topology import StreamName
from muster.telling.follow import View
from support.disk import MIB, small_disk

from .conftest import Known, needs_mounts


def said(number: int) -> Message:
    return Message(f"ev.a.x.{number}.me.one", {"ce-id": str(number)}, b"w" * 2000)


@needs_mounts
@pytest.mark.timeout(400)
@pytest.mark.asyncio(loop_scope="session")
async def test_the_disk_of_the_server_is_full_in_mid_cycle(known: Known, caplog: pytest.LogCaptureFixture) -> None:
    town, full = known.town, asyncio.Event()

    def tell(_: View, record: Record | None) -> None:
        if record is not None and isinstance(record.body, UpdateSealed) and record.body.cycle.number == 1:
            full.set()

    async def disturb() -> None:
        assert town.supervisor is not None
        await full.wait()
        town.disks["nats-server"].fill()
        while await town.supervisor.trouble() is None:
            await asyncio.sleep(0.1)
        town.disks["nats-server"].empty()

    assert await town.run(tell, disturb=disturb) == known.undisturbed
    assert town.restarts == ["nats-server"]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert any("no space left on device" in line and str(town.layout.nats) in line for line in told), told


@needs_mounts
async def test_a_server_is_not_started_on_a_full_disk(tmp_path: Path) -> None:
    """It might take what it cannot read or write for gone."""
    with small_disk(tmp_path / "nats") as disk:
        server = EmbeddedServer(ServerSettings(disk.folder, free_port(), {}, disk_bytes=1024 * MIB))
        disk.fill()
        with pytest.raises(Unavailable, match=f"no space left on the disk of {disk.folder}"):
            await server.start()


@needs_mounts
async def test_a_snapshot_that_does_not_fit_is_done_without(tmp_path: Path) -> None:
    with small_disk(tmp_path / "coordinator") as disk:
        snapshots = SnapshotFile(disk.folder / "snapshot.json", "test")
        old = Snapshot(1, "a", b"old")
        snapshots.save(old)
        disk.fill()
        snapshots.save(Snapshot(2, "b", bytes(MIB)))
        assert snapshots.load() == old
        assert {path.name for path in disk.folder.iterdir()} == {"snapshot.json", "filler"}


async def test_a_disk_budget_that_is_used_up_loses_nothing(tmp_path: Path) -> None:
    """The limit of ``disk_bytes``: refused with a reason, and taken as soon as the operator raises it."""
    small, large = 4 * MIB, 64 * MIB
    port, stored = free_port(), 0
    server = EmbeddedServer(ServerSettings(tmp_path, port, {}, disk_bytes=small))
    await server.start()
    endpoint = Endpoint(server.settings.url, "me")
    async with JetStreamBroker.connect(endpoint) as broker:
        await provide_streams(broker.control, disk_bytes=small)
        with pytest.raises(Unavailable, match="raise the disk budget") as caught:
            for stored in range(1000):
                await broker.log(StreamName.EVENTS).append([said(stored)])
    assert caught.value.code == "stream.full"
    assert stored > 100
    await server.stop()
    server = EmbeddedServer(ServerSettings(tmp_path, port, {}, disk_bytes=large))
    await server.start()
    try:
        async with JetStreamBroker.connect(endpoint) as broker:
            await provide_streams(broker.control, disk_bytes=large)
            assert await broker.log(StreamName.EVENTS).append([said(stored)]) == stored + 1
            found = [s.message.subject async for s in broker.log(StreamName.EVENTS).read("ev.>")]
        assert found == [said(number).subject for number in range(stored + 1)]
    finally:
        await server.stop()
