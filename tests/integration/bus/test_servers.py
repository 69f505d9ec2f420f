"""A connection that knows several servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.errors import Configuration, Denied, Unavailable
from bus.events import Role
from bus.events.base import FEDERATION, PrincipalId
from bus.identity.keys import Identity
from bus.identity.permissions import Permissions
from bus.jetstream import Endpoint, JetStreamBroker, connection
from bus.jetstream.server import EmbeddedServer, ServerSettings, free_port
from bus.wire.message import Message
from bus.wire.topology import StreamName

SAID = Message("ev.a.x.1.me.one", {"ce-id": "1"}, b"words")


@pytest.fixture
async def bare_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server that takes connections, and has no stream."""
    server = EmbeddedServer(ServerSettings(tmp_path / "bare", free_port(), {}))
    await server.start()
    yield server
    await server.stop()


def first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections begin with the first address."""
    monkeypatch.setattr(connection.secrets, "randbelow", lambda _: 0)


@pytest.mark.parametrize(
    "url", ["", "localhost:4222", "http://a:1", "nats://", "nats://a:port", "nats://a:1,", "nats://a:1 nats://b:2"]
)
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(Configuration, match="expected nats://host:port"):
        Endpoint(url, "me")


def test_several_addresses() -> None:
    assert Endpoint("nats://a:1, tls://b:2,nats://c", "me").servers == ("nats://a:1", "tls://b:2", "nats://c")


async def test_the_first_server_that_answers_is_taken(
    nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first(monkeypatch)
    nobody = f"nats://127.0.0.1:{free_port()}"
    async with JetStreamBroker.connect(Endpoint(f"{nobody},{nats_server.settings.url}", "me")) as broker:
        assert await broker.log(StreamName.EVENTS).append([SAID]) == 1


async def test_nobody_at_all_is_said_at_once() -> None:
    servers = ",".join(f"nats://127.0.0.1:{free_port()}" for _ in range(2))
    with pytest.raises(Unavailable, match="is one of them running"):
        async with JetStreamBroker.connect(Endpoint(servers, "me")):
            pass


async def test_a_refused_credential_is_not_hidden_by_a_server_that_is_away(tmp_path: Path) -> None:
    known, stranger = (Identity.generate(PrincipalId(n), Role.EDGE, FEDERATION) for n in ("e1", "e2"))
    users = {known.nkey_public: Permissions(("ev.>",), ("_INBOX_e1.>",))}
    server = EmbeddedServer(ServerSettings(tmp_path / "nats", free_port(), users))
    await server.start()
    try:
        servers = f"{server.settings.url},nats://127.0.0.1:{free_port()}"
        with pytest.raises(Denied):
            async with JetStreamBroker.connect(Endpoint(servers, "e2", stranger.nkey_seed)):
                pass
    finally:
        await server.stop()


async def test_a_server_that_leaves_requests_unanswered_is_left(
    nats_server: EmbeddedServer, bare_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first(monkeypatch)
    monkeypatch.setattr(connection, "_DEAF_S", 0.3)
    servers = f"{bare_server.settings.url},{nats_server.settings.url}"
    async with JetStreamBroker.connect(Endpoint(servers, "me")) as broker, asyncio.timeout(20):
        log = broker.log(StreamName.EVENTS)
        with pytest.raises(Unavailable, match="its stream is missing"):
            await log.append([SAID])
        while True:
            try:
                assert await log.append([SAID]) == 1
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                break
