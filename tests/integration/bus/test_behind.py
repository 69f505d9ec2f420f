"""A replica that answers reads may be behind: what it has not got yet must not be taken for missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from bus.errors import Conflict, NotFound, Unavailable
from bus.jetstream import Endpoint, JetStreamBroker, log
from bus.jetstream.blobs import JetStreamBlobs
from bus.jetstream.connection import Connection
from bus.jetstream.inflow import Msg
from bus.jetstream.log import Horizon, JetStreamLog
from bus.jetstream.server import EmbeddedServer
from bus.jetstream.session import Session
from bus.ports import Guard
from bus.wire import topology
from bus.wire.message import Message
from bus.wire.topology import StreamName

GUARD = Guard("ev.a.*.1.me.>", 0)


def said(subject: str, words: str = "") -> Message:
    return Message(subject, {"ce-id": subject}, words.encode())


class Clustered:
    """A session with a server of a cluster."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return True if name == "clustered" else getattr(self._session, name)


class Behind:
    """A connection to a cluster whose replica lacks what is asked of it the next few times."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.endpoint, self.clock = connection.endpoint, connection.clock
        self.lacks = 0

    async def session(self) -> Clustered:
        return Clustered(await self._connection.session())

    async def request(
        self, subject: str, data: bytes | memoryview = b"", *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Msg:
        if subject.startswith("$JS.API.DIRECT.GET.") and self.lacks > 0:
            self.lacks -= 1
            subject = subject.rsplit(".", 1)[0] + ".nowhere"
        return await self._connection.request(subject, data, headers=headers, **more)


@pytest.fixture
async def behind(nats_server: EmbeddedServer) -> AsyncIterator[Behind]:
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "me")) as broker:
        yield Behind(broker.control)


def events(behind: Behind, horizon: Horizon | None = None) -> JetStreamLog:
    return JetStreamLog(behind, topology.stream(StreamName.EVENTS), horizon)  # type: ignore[arg-type]


async def subjects(behind: Behind) -> list[str]:
    return [stored.message.subject async for stored in events(behind).read("ev.>")]


@pytest.mark.parametrize("guard", [GUARD, None])
async def test_what_was_stored_by_an_earlier_try_is_found(behind: Behind, guard: Guard | None) -> None:
    one, two = said("ev.a.x.1.me.one"), said("ev.a.x.1.me.two")
    await events(behind).append([one], guard=GUARD)
    await events(behind).append([two])
    behind.lacks = 4
    assert await events(behind).append([one], guard=guard) == 1
    assert behind.lacks == 0
    assert await subjects(behind) == [one.subject, two.subject]


async def test_what_the_leader_has_not_got_is_a_conflict_and_is_not_written(behind: Behind) -> None:
    await events(behind).append([said("ev.a.x.1.me.one")])
    with pytest.raises(Conflict):
        await events(behind).append([said("ev.a.x.1.me.two")], guard=GUARD)
    assert await subjects(behind) == ["ev.a.x.1.me.one"]


async def test_a_written_subject_that_the_replica_lacks_is_a_conflict(behind: Behind) -> None:
    await events(behind).append([said("ev.a.x.1.me.one", "hello")])
    behind.lacks = 3
    with pytest.raises(Conflict):
        await events(behind).append([said("ev.a.x.1.me.one", "bye")])


async def test_a_replica_that_stays_behind_is_unavailable(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "REQUEST_S", 0.3)
    await events(behind).append([said("ev.a.x.1.me.one")])
    behind.lacks = 1000
    with pytest.raises(Unavailable, match="still lacks"):
        await events(behind).append([said("ev.a.x.1.me.one")])


async def test_get_asks_more_than_one_replica(behind: Behind) -> None:
    await events(behind).append([said("ev.a.x.1.me.one")])
    behind.lacks = 20
    found = await events(behind).get("ev.a.x.1.me.one")
    assert found is not None
    assert found.sequence == 1
    assert await events(behind).get("ev.a.x.1.me.three") is None


async def test_a_history_reaches_what_is_known(behind: Behind) -> None:
    await events(behind).append([said("ev.a.x.1.me.one")])
    reader = events(behind, Horizon("ev.a.x.1.me.two", 2))
    reading = asyncio.create_task(anext(reader.read("ev.a.x.1.me.two")))  # type: ignore[arg-type]
    elsewhere = [s.sequence async for s in reader.read("ev.b.>")]
    await events(behind).append([said("ev.a.x.1.me.two")])
    assert (await asyncio.wait_for(reading, 10)).sequence == 2
    assert elsewhere == []


async def test_a_history_waits_for_what_was_read_before(behind: Behind) -> None:
    for number in (1, 2):
        await events(behind).append([said(f"ev.a.x.{number}.me.one")])
    assert [s.sequence async for s in events(behind).read("ev.>", after=2)] == []
    reading = asyncio.create_task(anext(events(behind).read("ev.>", after=3)))  # type: ignore[arg-type]
    await asyncio.sleep(0.3)
    assert not reading.done()
    for number in (3, 4):
        await events(behind).append([said(f"ev.a.x.{number}.me.one")])
    assert (await asyncio.wait_for(reading, 10)).sequence == 4


async def test_a_blob_that_comes_a_moment_later(behind: Behind) -> None:
    blobs = JetStreamBlobs(behind)  # type: ignore[arg-type]
    await blobs.put("w.a.e1.exp.update.c.0", b"sealed")
    behind.lacks = 3
    assert await blobs.get("w.a.e1.exp.update.c.0") == b"sealed"
    with pytest.raises(NotFound):
        await blobs.get("w.a.e1.exp.update.c.1")
