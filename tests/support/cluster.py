"""Three NATS servers that replicate each other's streams, any of which can be killed and started again; a
federation on them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bus.errors import Unavailable
from bus.identity.directory import Principal
from bus.identity.keys import Identity
from bus.identity.permissions import Permissions, permissions
from bus.jetstream import Endpoint, JetStreamBroker, api
from bus.jetstream.connection import Connection
from bus.jetstream.provision import provide_consumer, provide_streams
from bus.jetstream.server import EmbeddedServer, Member, ServerSettings, free_port
from bus.runtime.voice import Voice
from bus.wire import topology
from bus.wire.topology import StreamName
from muster.federation.create import create
from muster.federation.layout import OPERATOR, SERVICES, Description, Layout
from muster.federation.supervisor import Service, Supervisor, introduce
from muster.ingest import ingest_files
from support.federation import EDGES, PLAN, Town, write_rows
from support.jobs import LOGISTIC

GIB = 1024**3
SERVERS = 3
PATIENCE_S = 60.0


@dataclass
class Cluster:
    """The servers, by name."""

    servers: dict[str, EmbeddedServer]
    down: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        """All addresses, as settings give them."""
        return ",".join(server.settings.url for server in self.servers.values())

    async def start(self, *names: str) -> None:
        """Start servers, at the same time."""
        await asyncio.gather(*(self.servers[name].start() for name in names))
        self.down -= set(names)

    async def kill(self, *names: str) -> None:
        """SIGKILL, and wait until they are gone."""
        for name in names:
            os.kill(self.servers[name].pid, signal.SIGKILL)
        self.down |= set(names)
        await asyncio.gather(*(self.servers[name].wait() for name in names))

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self.servers.values()))


@asynccontextmanager
async def running_cluster(folder: Path, users: Mapping[str, Permissions] | None = None) -> AsyncIterator[Cluster]:
    """Three servers without streams, each with a store of its own."""
    names = [f"n{number}" for number in range(1, SERVERS + 1)]
    ports = {name: free_port() for name in names}
    routes = tuple(f"nats://127.0.0.1:{port}" for port in ports.values())
    cluster = Cluster(
        {
            name: EmbeddedServer(
                ServerSettings(
                    folder / name, free_port(), users or {}, disk_bytes=4 * GIB, member=Member(name, port, routes)
                )
            )
            for name, port in ports.items()
        }
    )
    try:
        await cluster.start(*names)
        yield cluster
    finally:
        await cluster.stop()


async def provide(connection: Connection) -> None:
    """Replicated streams, once the servers have found each other."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                # Before there is a leader nobody answers at all.
                async with asyncio.timeout(1.0):
                    await api.call(connection, "STREAM.NAMES")
                return await provide_streams(connection, disk_bytes=4 * GIB, replicas=SERVERS)
            except (Unavailable, TimeoutError):
                await asyncio.sleep(0.1)


async def leader(connection: Connection, stream: StreamName = StreamName.EVENTS, *, other_than: str = "") -> str:
    """Name of the server that leads a stream, once there is one (and another one than before)."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            name = (await _replication(connection, stream)).get("leader")
            if name and name != other_than:
                return str(name)
            await asyncio.sleep(0.1)


async def caught_up(connection: Connection, stream: StreamName = StreamName.EVENTS) -> None:
    """Return once every replica has what the leader has: until then, whoever begins to read may be told less."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            replicas = (await _replication(connection, stream)).get("replicas", [])
            if replicas and all(each["current"] and not each.get("lag") for each in replicas):
                return
            await asyncio.sleep(0.1)


async def _replication(connection: Connection, stream: StreamName) -> dict[str, Any]:
    try:
        async with asyncio.timeout(1.0):
            found: dict[str, Any] = (await api.call(connection, f"STREAM.INFO.{stream}")).get("cluster", {})
            return found
    except (Unavailable, TimeoutError):
        return {}


@asynccontextmanager
async def replicated(folder: Path) -> AsyncIterator[tuple[Cluster, JetStreamBroker]]:
    """A cluster without authorisation, its streams in place, and a broker that knows all servers."""
    async with (
        running_cluster(folder) as cluster,
        JetStreamBroker.connect(Endpoint(cluster.url, "tester"), patient=True) as broker,
    ):
        await provide(broker.control)
        yield cluster, broker


class Elsewhere(Description):
    """A federation whose servers are not its own."""

    servers: str

    @property
    def url(self) -> str:
        return self.servers


class ClusterLayout(Layout):
    """The directory of a federation on a cluster."""

    def __init__(self, directory: Path, servers: str) -> None:
        super().__init__(directory)
        self._servers = servers

    def read(self) -> Elsewhere:
        return Elsewhere(**super().read().model_dump(), servers=self._servers)


class ClusterTown(Town):
    """A running federation on a cluster; nobody starts a process again that dies."""

    def __init__(self, layout: Layout, plan: Path, cluster: Cluster, operator: JetStreamBroker) -> None:
        self.layout = layout
        self.plan = plan
        self.cluster = cluster
        self.operator = operator

    def ended(self) -> list[str]:
        """Who died."""
        processes = json.loads(self.layout.processes.read_text())
        return [name for name, pid in processes.items() if not _lives(pid)]


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@asynccontextmanager
async def federation_on_cluster(folder: Path, *, lease_s: float = 3.0) -> AsyncIterator[ClusterTown]:
    """Three hospitals with 40, 60 and 80 rows, every service a process, on three servers."""
    made = create(folder / "federation", edges=EDGES, vendors=("acme",), lease_s=lease_s)
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "model.py").write_text(LOGISTIC)
    identities = {name: Identity.load(made.identity(name)) for name in made.read().principals}
    users = {identity.nkey_public: permissions(Principal.of(identity)) for identity in identities.values()}
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(running_cluster(folder, users))
        layout = ClusterLayout(made.directory, cluster.url)
        endpoint = Endpoint(cluster.url, OPERATOR, identities[OPERATOR].nkey_seed)
        operator = await stack.enter_async_context(JetStreamBroker.connect(endpoint, patient=True))
        await provide(operator.control)
        for consumer in (*topology.WORK, *map(topology.commands_of, EDGES)):
            await provide_consumer(operator.control, consumer)
        await introduce(Voice(operator, identities[OPERATOR]), layout, layout.read())
        services = {name: Service(layout, name) for name in (*SERVICES, *EDGES)}
        for name, service in services.items():
            settings = yaml.safe_load(layout.settings(name).read_text())
            layout.settings(name).write_text(yaml.safe_dump({**settings, "server_url": cluster.url}))
            await service.start()
            stack.push_async_callback(service.stop)
        layout.processes.parent.mkdir(parents=True, exist_ok=True)
        layout.processes.write_text(json.dumps({name: service.pid for name, service in services.items()}))
        await Supervisor(layout, lambda _name, _status: None).ready()
        for edge, rows in zip(EDGES, (40, 60, 80), strict=True):
            files = write_rows(folder, edge, rows)
            await ingest_files(
                layout, edge, dataset="cancer", category="tabular_classification", target="y", files=files
            )
        yield ClusterTown(layout, folder / "plan.yaml", cluster, operator)
