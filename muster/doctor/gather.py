"""Gathers facts about a federation, whatever state it is in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

from bus.errors import Configuration, MusterError, NotFound
from bus.events.base import PrincipalId
from bus.events.principals import LeaseRenewed
from bus.identity.directory import Directory, Principal
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker, api
from bus.jetstream.connection import Connection
from bus.jetstream.provision import consumer_config, stream_config
from bus.runtime.listening import ignore, learn_principals, verified
from bus.runtime.voice import Voice
from bus.wire import topology
from bus.wire.topology import Consumer, Stream, StreamName
from coordinator.domain.state import Phase
from muster.client import PATIENCE_S, Client
from muster.doctor.beside import tried
from muster.doctor.facts import Bus, ConsumerFacts, Disk, Facts, Key, Lease, Said, Server, StreamFacts, Waiting
from muster.federation.layout import OPERATOR, Description, Layout
from muster.telling.summary import waiting_for

_FILE: Final = "identity.json"
_MODE: Final = 0o777
_TELLING: Final = frozenset({StreamName.EVENTS, StreamName.LEASES, StreamName.TELEMETRY})
"""Streams that tell who works and what waits."""


async def gather(layout: Layout) -> Facts:
    """Everything that can be found out about the federation in ``layout``.

    Raises:
        Configuration: ``federation.json`` itself cannot be read.
    """
    description = layout.read()
    keys = await asyncio.to_thread(_keys, layout, description)
    anchor = await asyncio.to_thread(_anchor, layout)
    server, bus = await _ask(layout, description)
    return Facts(layout, description, keys, anchor, _disk(layout), server, bus, await tried(layout, description))


def _keys(layout: Layout, description: Description) -> tuple[Key, ...]:
    return tuple(_key(layout, name) for name in description.principals)


def _key(layout: Layout, principal: str) -> Key:
    path = layout.identity(principal) / _FILE
    mode = None
    try:
        with suppress(OSError):
            mode = path.stat().st_mode & _MODE
        return Key(principal, path, mode, Principal.of(Identity.load(path.parent)))
    except Configuration as error:
        return Key(principal, path, mode, trouble=error.message)


def _anchor(layout: Layout) -> Principal | None:
    try:
        return Principal.load(layout.anchor)
    except Configuration:
        return None


def _disk(layout: Layout) -> Disk:
    found = os.statvfs(layout.directory)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    free = found.f_bavail * found.f_frsize
    return Disk(layout.directory, used + free, free)


async def _ask(layout: Layout, description: Description) -> tuple[Server, Bus | None]:
    """What the broker tells, or why it does not."""
    try:
        async with _operator(layout, description) as client:
            return await _bus(client, description)
    except MusterError as error:
        return Server(description.url, code=error.code, trouble=error.message), None


@asynccontextmanager
async def _operator(layout: Layout, description: Description) -> AsyncIterator[_Operator]:
    identity = Identity.load(layout.identity(OPERATOR))
    async with JetStreamBroker.connect(Endpoint(description.url, OPERATOR, identity.nkey_seed)) as broker:
        yield _Operator(broker, identity)


class _Operator:
    """A connection as the operator, who may look at everything."""

    def __init__(self, broker: JetStreamBroker, identity: Identity) -> None:
        self.broker = broker
        self.identity = identity

    @property
    def control(self) -> Connection:
        """For requests to JetStream."""
        return self.broker.control

    async def info(self, name: str, content: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The server's answer; ``None`` if the thing does not exist."""
        try:
            return await api.call(self.control, name, content)
        except NotFound:
            return None


async def _bus(operator: _Operator, description: Description) -> tuple[Server, Bus]:
    infos = {spec: await operator.info(f"STREAM.INFO.{spec.name}") for spec in topology.STREAMS}
    streams = tuple(_stream(spec, info, description.disk_bytes) for spec, info in infos.items())
    there = next((info for info in infos.values() if info is not None), None)
    version = None if there is None else there["config"].get("metadata", {}).get("_nats.ver")
    places = [
        *(("aggregator", spec) for spec in topology.WORK),
        *((e, topology.commands_of(e)) for e in description.edges),
    ]
    consumers = [await _consumer(operator, holder, spec) for holder, spec in places]
    missing = {spec.name for spec, info in infos.items() if info is None}
    said = None if missing & _TELLING else await _said(operator, description)
    return Server(description.url, version), Bus(streams, tuple(consumers), await _dead(operator), said)


def _stream(spec: Stream, info: dict[str, Any] | None, disk_bytes: int) -> StreamFacts:
    wanted = stream_config(spec, disk_bytes=disk_bytes, replicas=1)
    if info is None:
        return StreamFacts(spec, wanted)
    return StreamFacts(spec, wanted, info["config"], int(info["state"]["bytes"]))


async def _consumer(operator: _Operator, holder: str, spec: Consumer) -> ConsumerFacts:
    wanted = consumer_config(spec)
    info = await operator.info(f"CONSUMER.INFO.{spec.stream}.{spec.name}")
    if info is None:
        return ConsumerFacts(spec, holder, wanted)
    return ConsumerFacts(spec, holder, wanted, info["config"], int(info["num_pending"]), int(info["num_ack_pending"]))


async def _dead(operator: _Operator) -> dict[tuple[str, str], int] | None:
    """Dead letters by service and code; ``None`` if there is no stream for them."""
    info = await operator.info(f"STREAM.INFO.{StreamName.DEADLETTERS}", {"subjects_filter": "dead.>"})
    if info is None:
        return None
    return counted(info["state"].get("subjects") or {})


def counted(subjects: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """Messages per subject as dead letters by service and code; what follows the code may be anything."""
    counts: dict[tuple[str, str], int] = {}
    for subject, count in subjects.items():
        _, service, code, *_ = subject.split(".")
        counts[service, code] = counts.get((service, code), 0) + count
    return counts


async def _said(operator: _Operator, description: Description) -> Said:
    broker, identity = operator.broker, operator.identity
    directory = await learn_principals(broker, Principal.of(identity))
    client = Client(broker, identity, directory, Voice(broker, identity, patience_s=PATIENCE_S))
    datasets = await client.datasets()
    names = [PrincipalId(name) for name in description.principals]
    return Said(
        leases=await _leases(operator, directory),
        registered={name: directory[name] for name in names if name in directory},
        isolation={edge: body.isolation for edge, body in (await client.edges()).items()},
        datasets={e: tuple(d for d, held in datasets.items() if e in held) for e in description.edges},
        waiting=await _waiting(client),
    )


async def _leases(operator: _Operator, directory: Directory) -> dict[str, Lease]:
    """The last lease of everybody, with its age by the broker's clock."""
    leases = verified(operator.broker, directory, "lease.>", reject=ignore, stream=StreamName.LEASES)
    records = [record async for record in leases]
    now = datetime.fromisoformat((await api.call(operator.control, f"STREAM.INFO.{StreamName.LEASES}"))["ts"])
    return {
        record.body.holder: Lease(
            holder=record.body.holder,
            valid_s=record.body.valid_s,
            age_s=(now - record.stored_at).total_seconds(),
            ahead_s=(record.envelope.time - record.stored_at).total_seconds(),
        )
        for record in records
        if isinstance(record.body, LeaseRenewed)
    }


async def _waiting(client: Client) -> tuple[Waiting, ...]:
    """Experiments that wait; the moving ones are those that somebody works for."""
    world = await client.world()
    found = []
    for identity, experiment in sorted(world.experiments.items()):
        if experiment.phase is Phase.AVERAGING:
            found.append(Waiting(identity, "the aggregator", moving=True))
            continue
        reason = waiting_for(experiment, world, await client.queued(experiment))
        if reason is not None:
            found.append(Waiting(identity, reason, moving=experiment.cycle is not None))
    return tuple(found)
