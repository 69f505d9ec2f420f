"""The JetStream adapter over a server that is killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from bus.errors import Unavailable
from bus.jetstream import Endpoint, JetStreamBroker, api
from bus.jetstream.provision import provide_consumer, provide_streams
from bus.jetstream.server import EmbeddedServer
from bus.wire.message import Message
from bus.wire.topology import Consumer, StreamName

WORKER = Consumer("worker", StreamName.COMMANDS, "cmd.e1.>", ack_wait_s=1.0)


def said(subject: str) -> Message:
    return Message(subject, {"ce-id": subject}, b"words")


async def kill(server: EmbeddedServer) -> None:
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()


async def test_follower_goes_on_after_the_server_was_killed(nats_server: EmbeddedServer) -> None:
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me")) as broker:
        log = broker.log(StreamName.EVENTS)
        await log.append([said("ev.a.x.1.me.one")])
        seen: asyncio.Queue[int] = asyncio.Queue()

        async def watch() -> None:
            async for stored in log.read("ev.>", follow=True):
                seen.put_nowait(stored.sequence)

        watching = asyncio.create_task(watch())
        assert await asyncio.wait_for(seen.get(), 10) == 1
        await kill(nats_server)
        with pytest.raises(Unavailable):
            await log.append([said("ev.a.x.1.me.two")])
        await nats_server.start()
        await broker.control.session(20)
        await log.append([said("ev.a.x.1.me.two")])
        assert await asyncio.wait_for(seen.get(), 20) == 2
        assert seen.empty()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_follower_of_what_is_forgotten_goes_on(nats_server: EmbeddedServer) -> None:
    """A stream that is not synced may have lost everything with its server, and counts from 1 again."""
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me")) as broker:
        log = broker.log(StreamName.LEASES)
        seen: asyncio.Queue[bytes] = asyncio.Queue()

        async def watch() -> None:
            async for stored in log.read("lease.>", follow=True):
                seen.put_nowait(stored.message.data)

        watching = asyncio.create_task(watch())
        for number in range(5):
            await log.append([Message("lease.e1", {}, b"%d" % number)])
            assert await asyncio.wait_for(seen.get(), 10) == b"%d" % number
        await kill(nats_server)
        await nats_server.start()
        await broker.control.session(20)
        # How much of it a kill leaves is chance; here it is nothing.
        await api.call(broker.control, f"STREAM.DELETE.{StreamName.LEASES}")
        await provide_streams(broker.control, disk_bytes=1024**3)
        assert await log.append([Message("lease.e1", {}, b"again")]) == 1
        assert await asyncio.wait_for(seen.get(), 20) == b"again"
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_inbox_goes_on_after_the_server_was_killed(nats_server: EmbeddedServer) -> None:
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me")) as broker:
        await provide_consumer(broker.control, WORKER)
        log = broker.log(StreamName.COMMANDS)
        await log.append([said("cmd.e1.exp.run.1")])
        await log.append([said("cmd.e1.exp.run.2")])
        deliveries = broker.inbox(WORKER).deliveries()
        first = await asyncio.wait_for(anext(deliveries), 10)
        await first.ack()
        second = await asyncio.wait_for(anext(deliveries), 10)
        await kill(nats_server)
        await nats_server.start()
        # The server notes acknowledgements lazily, so a kill may bring an acknowledged message back: at least once.
        subject = ""
        while subject != "cmd.e1.exp.run.2":
            again = await asyncio.wait_for(anext(deliveries), 20)
            subject = again.stored.message.subject
            await again.ack()
        assert subject == second.stored.message.subject
        await deliveries.aclose()


async def test_acknowledged_messages_survive_a_kill(nats_server: EmbeddedServer) -> None:
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me")) as broker:
        log = broker.log(StreamName.EVENTS)
        stored = 0

        async def write() -> None:
            nonlocal stored
            for number in range(10_000):
                await log.append([said(f"ev.a.x.{number}.me.one")])
                stored += 1

        writing = asyncio.create_task(write())
        while stored < 200:
            await asyncio.sleep(0)
        await kill(nats_server)
        outcome = await asyncio.gather(writing, return_exceptions=True)
        assert isinstance(outcome[0], Unavailable)
        await nats_server.start()
        await broker.control.session(20)
        found = [s.message.subject async for s in log.read("ev.>")]
        assert found[:stored] == [f"ev.a.x.{number}.me.one" for number in range(stored)]
        assert len(found) - stored in {0, 1}


async def test_nobody_there_is_said_at_once(nats_server: EmbeddedServer) -> None:
    await nats_server.stop()
    with pytest.raises(Unavailable, match="is it running"):
        async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me")):
            pass


async def test_patient_waits_for_the_server(nats_server: EmbeddedServer) -> None:
    await nats_server.stop()

    async def connect() -> int:
        async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me"), patient=True) as broker:
            return await broker.log(StreamName.EVENTS).append([said("ev.a.x.1.me.one")])

    connecting = asyncio.create_task(connect())
    await asyncio.sleep(0)
    await nats_server.start()
    assert await asyncio.wait_for(connecting, 20) == 1


async def test_a_frozen_server_times_out_and_recovers(nats_server: EmbeddedServer) -> None:
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me")) as broker:
        log = broker.log(StreamName.EVENTS)
        os.kill(nats_server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable):
                await log.append([said("ev.a.x.1.me.one")])
        finally:
            os.kill(nats_server.pid, signal.SIGCONT)
        await broker.control.session(20)
        await log.append([said("ev.a.x.1.me.one")])
        assert [s.message.subject async for s in log.read("ev.>")] == ["ev.a.x.1.me.one"]
