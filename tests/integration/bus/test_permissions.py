"""Least authority, enforced by a real server: what each credential can and cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bus.errors import Denied, MusterError
from bus.events import Role
from bus.events.base import OwnerId, PrincipalId
from bus.identity.directory import Principal
from bus.identity.keys import Identity
from bus.identity.permissions import permissions
from bus.jetstream import Endpoint, JetStreamBroker, api
from bus.jetstream.provision import provide_consumer, provide_streams
from bus.jetstream.server import EmbeddedServer, ServerSettings, free_port
from bus.wire import topology
from bus.wire.message import Message
from bus.wire.topology import StreamName

PEOPLE = {
    "operator": (Role.OPERATOR, "federation"),
    "coordinator": (Role.COORDINATOR, "federation"),
    "aggregator": (Role.AGGREGATOR, "federation"),
    "audit_sink": (Role.AUDIT_SINK, "federation"),
    "hospital-a": (Role.EDGE, "federation"),
    "hospital-b": (Role.EDGE, "federation"),
    "acme": (Role.VENDOR, "acme"),
    "globex": (Role.VENDOR, "globex"),
}


class Town:
    """One broker connection per principal."""

    def __init__(self, brokers: dict[str, JetStreamBroker]) -> None:
        self._brokers = brokers

    def __getitem__(self, name: str) -> JetStreamBroker:
        return self._brokers[name]

    async def publish(self, name: str, subject: str) -> None:
        family = subject.split(".")[0]
        stream = {"ev": StreamName.EVENTS, "cmd": StreamName.COMMANDS, "tel": StreamName.TELEMETRY}.get(family)
        if stream is None:
            await self[name].blobs().put(subject, b"chunk")
        else:
            await self[name].log(stream).append([Message(subject, {"ce-id": subject}, b"x")])


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    identities = {
        name: Identity.generate(PrincipalId(name), role, OwnerId(owner)) for name, (role, owner) in PEOPLE.items()
    }
    users = {i.nkey_public: permissions(Principal.of(i)) for i in identities.values()}
    server = EmbeddedServer(ServerSettings(tmp_path / "nats", free_port(), users))
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        brokers = {
            name: await stack.enter_async_context(
                JetStreamBroker.connect(Endpoint(server.settings.url, name, identity.nkey_seed))
            )
            for name, identity in identities.items()
        }
        operator = brokers["operator"].control
        await provide_streams(operator, disk_bytes=1024**3)
        for consumer in (*topology.WORK, topology.commands_of("hospital-a"), topology.commands_of("hospital-b")):
            await provide_consumer(operator, consumer)
        yield Town(brokers)


ALLOWED = [
    ("coordinator", "ev.acme.cycle.X.coordinator.opened.1-train-1"),
    ("coordinator", "cmd.hospital-a.X.cycle_run.1"),
    ("aggregator", "ev.acme.model.X.aggregator.averaged.1"),
    ("aggregator", "w.acme.aggregator.X.model-1.c.0"),
    ("hospital-a", "ev.acme.update.X.hospital-a.sealed.1"),
    ("hospital-a", "ev.federation.dataset.cancer.hospital-a.registered.1"),
    ("hospital-a", "ev.federation.edge.hospital-a.hospital-a.enrolled.1"),
    ("hospital-a", "w.acme.hospital-a.X.update-1.c.0"),
    ("hospital-a", "tel.acme.X.hospital-a"),
    ("acme", "ev.acme.experiment.X.acme.submitted"),
    ("acme", "w.acme.acme.X.code.c.0"),
    ("acme", "w.acme.acme.X.pretrained.c.0"),
]
FORBIDDEN = [
    ("hospital-a", "ev.acme.update.X.hospital-b.sealed.1"),
    ("hospital-a", "ev.acme.experiment.X.hospital-a.submitted"),
    ("hospital-a", "ev.federation.edge.hospital-b.hospital-a.enrolled.1"),
    ("hospital-a", "ev.acme.cycle.X.coordinator.closed.1"),
    ("hospital-a", "cmd.hospital-b.X.cycle_run.1"),
    ("hospital-a", "cmd.hospital-a.X.cycle_run.1"),
    ("hospital-a", "w.acme.hospital-b.X.update-1.c.0"),
    ("hospital-a", "tel.acme.X.hospital-b"),
    ("aggregator", "ev.acme.cycle.X.coordinator.closed.1"),
    ("coordinator", "ev.acme.model.X.aggregator.averaged.1"),
    ("coordinator", "w.acme.coordinator.X.model-1.c.0"),
    ("audit_sink", "cmd.hospital-a.X.cycle_run.1"),
    ("acme", "ev.globex.experiment.X.acme.submitted"),
    ("acme", "ev.acme.experiment.X.coordinator.completed"),
    ("acme", "w.globex.acme.X.code.c.0"),
    ("operator", "ev.acme.cycle.X.coordinator.closed.1"),
]


async def test_what_may_be_published(town: Town) -> None:
    for name, subject in ALLOWED:
        await town.publish(name, subject)
        # Saying it again is part of being allowed: whoever writes once has to see what is there.
        await town.publish(name, subject)


async def test_what_may_not_be_published(town: Town) -> None:
    for name, subject in FORBIDDEN:
        with pytest.raises(Denied):
            await town.publish(name, subject)
            pytest.fail(f"{name} could publish {subject}")


async def test_an_edge_takes_its_own_commands_only(town: Town) -> None:
    await town.publish("coordinator", "cmd.hospital-b.X.cycle_run.1")
    mine = anext(town["hospital-a"].inbox(topology.commands_of("hospital-a")).deliveries())
    theirs = anext(town["hospital-a"].inbox(topology.commands_of("hospital-b")).deliveries())
    own = anext(town["hospital-b"].inbox(topology.commands_of("hospital-b")).deliveries())
    waiting = [asyncio.ensure_future(take) for take in (mine, theirs)]
    assert (await asyncio.wait_for(own, 10)).stored.message.subject == "cmd.hospital-b.X.cycle_run.1"
    done, _ = await asyncio.wait(waiting, timeout=0.5)
    assert not done
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


READABLE = [
    ("acme", StreamName.EVENTS, "ev.acme.>", 1),
    ("acme", StreamName.EVENTS, "ev.acme.*.X.>", 1),
    ("coordinator", StreamName.EVENTS, "ev.>", 2),
    ("audit_sink", StreamName.EVENTS, "ev.>", 2),
]
UNREADABLE = [
    ("acme", StreamName.EVENTS, "ev.>"),
    ("acme", StreamName.EVENTS, "ev.globex.>"),
    ("acme", StreamName.EVENTS, "ev.*.experiment.>"),
    ("acme", StreamName.COMMANDS, "cmd.>"),
    ("hospital-a", StreamName.EVENTS, "ev.acme.>"),
    ("hospital-a", StreamName.COMMANDS, "cmd.hospital-b.>"),
    ("hospital-a", StreamName.COMMANDS, "cmd.hospital-a.>"),
    ("hospital-a", StreamName.TELEMETRY, "tel.>"),
]


async def test_histories(town: Town) -> None:
    await town.publish("acme", "ev.acme.experiment.X.acme.submitted")
    await town.publish("globex", "ev.globex.experiment.Y.globex.submitted")
    for name, stream, filter_, count in READABLE:
        found = [s async for s in town[name].log(stream).read(filter_)]
        assert len(found) == count, (name, filter_)
    for name, stream, filter_ in UNREADABLE:
        with pytest.raises(Denied):
            _ = [s async for s in town[name].log(stream).read(filter_)]
            pytest.fail(f"{name} could read {filter_}")


async def test_sealed_objects(town: Town) -> None:
    await town.publish("acme", "w.acme.acme.X.code.c.0")
    await town.publish("acme", "w.acme.acme.X.pretrained.c.0")
    await town.publish("hospital-b", "w.acme.hospital-b.X.update-1.c.0")
    for subject in ("w.acme.aggregator.X.model-1.c.0", "w.acme.aggregator.X.model-1.key.hospital-a"):
        await town.publish("aggregator", subject)
    for name, subject in [
        ("hospital-a", "w.acme.acme.X.code.c.0"),
        ("hospital-a", "w.acme.acme.X.pretrained.c.0"),
        ("hospital-a", "w.acme.aggregator.X.model-1.c.0"),
        ("hospital-a", "w.acme.aggregator.X.model-1.key.hospital-a"),
        ("aggregator", "w.acme.hospital-b.X.update-1.c.0"),
        ("acme", "w.acme.aggregator.X.model-1.c.0"),
        ("acme", "w.acme.acme.X.code.c.0"),
    ]:
        assert await town[name].blobs().get(subject) == b"chunk"
    for name, subject in [
        ("hospital-a", "w.acme.hospital-b.X.update-1.c.0"),
        ("hospital-b", "w.acme.aggregator.X.model-1.key.hospital-a"),
        ("acme", "w.acme.hospital-b.X.update-1.c.0"),
        ("globex", "w.acme.aggregator.X.model-1.c.0"),
        ("globex", "w.acme.acme.X.code.c.0"),
        ("coordinator", "w.acme.hospital-b.X.update-1.c.0"),
    ]:
        with pytest.raises(Denied):
            await town[name].blobs().get(subject)
            pytest.fail(f"{name} could get {subject}")


async def test_nobody_but_the_operator_manages_streams(town: Town) -> None:
    for name in PEOPLE:
        if name == "operator":
            continue
        for call in ("STREAM.DELETE.EVENTS", "STREAM.PURGE.EVENTS", "STREAM.INFO.EVENTS", "CONSUMER.LIST.EVENTS"):
            with pytest.raises(Denied):
                await api.call(town[name].control, call)


async def test_the_aggregator_alone_removes_sealed_weights(town: Town) -> None:
    for name in PEOPLE:
        await town.publish("hospital-a", "w.acme.hospital-a.X.update-1.c.0")
        if name in {"operator", "aggregator"}:
            assert await town[name].blobs().delete("w.acme.hospital-a.X.update-1.>") == 1
            continue
        with pytest.raises(Denied):
            await town[name].blobs().delete("w.acme.hospital-a.X.update-1.>")
    for call in (
        "STREAM.DELETE.WEIGHTS",
        "STREAM.UPDATE.WEIGHTS",
        "STREAM.MSG.DELETE.WEIGHTS",
        "STREAM.PURGE.COMMANDS",
    ):
        with pytest.raises(Denied):
            await api.call(town["aggregator"].control, call)


async def test_not_even_the_operator_deletes_events(town: Town) -> None:
    await town.publish("acme", "ev.acme.experiment.X.acme.submitted")
    for call in ("STREAM.PURGE.EVENTS", "STREAM.MSG.DELETE.EVENTS"):
        with pytest.raises(MusterError):
            await api.call(town["operator"].control, call, {"seq": 1} if "MSG" in call else {})
    assert len([s async for s in town["coordinator"].log(StreamName.EVENTS).read("ev.>")]) == 1


async def test_a_reader_cannot_take_over_a_consumer(town: Town) -> None:
    content = {
        "stream_name": "EVENTS",
        "config": {"name": "aggregator", "durable_name": "aggregator", "filter_subject": "ev.acme.>"},
    }
    with pytest.raises(Denied):
        await api.call(town["acme"].control, "CONSUMER.CREATE.EVENTS.aggregator.ev.acme.>", content)


async def test_a_stranger_is_turned_away(town: Town) -> None:
    stranger = Identity.generate(PrincipalId("hospital-a"), Role.EDGE, OwnerId("federation"))
    url = town["operator"].control.endpoint.url
    with pytest.raises(Denied, match="does not accept"):
        async with JetStreamBroker.connect(Endpoint(url, "hospital-a", stranger.nkey_seed)):
            pass
