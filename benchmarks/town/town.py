"""A federation with many edges: the server, the services and the processes of edges, all children of this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pstats
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from benchmarks.town import meter
from benchmarks.town.names import EDGES, name_of
from bus.errors import Unavailable
from bus.events.principals import EdgeAppeared
from bus.identity.directory import Principal
from bus.identity.keys import Identity
from bus.identity.permissions import permissions
from bus.jetstream import Endpoint, JetStreamBroker, api
from bus.jetstream.provision import provide_consumer, provide_streams
from bus.jetstream.server import EmbeddedServer, ServerSettings
from bus.processes import die_with_parent
from bus.runtime.voice import Voice
from bus.wire import topology
from bus.wire.record import Record
from bus.wire.topology import StreamName
from muster.client import connect
from muster.federation.create import create
from muster.federation.layout import OPERATOR, SERVICES, Layout
from muster.federation.store import Store
from muster.federation.supervisor import introduce

_ROOT: Final = Path(__file__).parents[2]
_STOP_S: Final = 60.0
_LINES: Final = 50
SERVER: Final = "nats-server"
_NUMBER: Final = re.compile(r"[0-9a-f]*[0-9][0-9A-Za-z]*")


async def _nothing(_layout: Layout) -> None:
    """Nothing is to be prepared."""


@dataclass(frozen=True)
class Plan:
    """What to build.

    Attributes:
        edges: How many.
        drivers: Processes that they are shared out among.
        lease_s: Lease time of everybody.
        module: Run in each of these processes, with the federation's folder and the numbers of its first edge and of
            the one behind its last, ...
        arguments: ... and these.
        profile: Process to run under cProfile, which makes it slower; ``None`` for none.
        store: An S3-compatible store for large models; ``None`` for none.
        disk_bytes: What the broker's streams may fill; ``None`` leaves it to the free space.
        prepare: Called before the first process starts.
    """

    edges: int
    drivers: int
    lease_s: float
    module: str
    arguments: tuple[str, ...] = ()
    profile: str | None = None
    store: Store | None = None
    disk_bytes: int | None = None
    prepare: Callable[[Layout], Awaitable[None]] = _nothing


@dataclass
class Town:
    """A federation that runs.

    Attributes:
        layout: Where it is.
        plan: What it is.
        operator: Connection of its operator.
        took_s: Step of the setting up -> seconds.
        processes: Name -> process id.
    """

    layout: Layout
    plan: Plan
    operator: JetStreamBroker
    took_s: dict[str, float] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)

    async def look(self) -> meter.Moment:
        """What all its processes use now."""
        info = await api.call(self.operator.control, f"STREAM.INFO.{StreamName.LEASES}")
        return meter.look(self.processes, int(info["state"]["last_seq"]))

    def warnings(self) -> Counter[str]:
        """What its processes logged that is a warning or worse; names of edges and numbers left out."""
        found: Counter[str] = Counter()
        for name in self.processes.keys() - {SERVER}:
            for line in self.layout.log(name).read_text().splitlines():
                if '"level": "info"' not in line:
                    text = json.loads(line)["message"] if line.startswith("{") else line
                    found[f"{name.partition('-')[0]}: {_NUMBER.sub('#', text)[:200]}"] += 1
        return found

    @property
    def configuration_bytes(self) -> int:
        """Size of the server's configuration, which holds everybody's permissions."""
        return (self.layout.nats / "server.conf").stat().st_size


@asynccontextmanager
async def running(folder: Path, plan: Plan) -> AsyncIterator[Town]:
    """A federation in ``folder`` in which every edge counts as live."""
    names = tuple(name_of(number) for number in range(plan.edges))
    began = time.monotonic()
    layout = create(folder / "federation", edges=names, vendors=("acme",), lease_s=plan.lease_s, store=plan.store)
    if plan.disk_bytes is not None:
        layout.write(layout.read().model_copy(update={"disk_bytes": plan.disk_bytes}))
    took_s = {"keys": time.monotonic() - began}
    await plan.prepare(layout)
    async with asyncio.TaskGroup() as guards, AsyncExitStack() as stack:
        server = EmbeddedServer(_server_settings(layout))
        stack.push_async_callback(server.stop)
        await server.start()
        operator = Identity.load(layout.identity(OPERATOR))
        endpoint = Endpoint(server.settings.url, OPERATOR, operator.nkey_seed)
        broker = await stack.enter_async_context(JetStreamBroker.connect(endpoint))
        town = Town(layout, plan, broker, took_s, {SERVER: server.pid})
        await _provide(town, Voice(broker, operator))

        async def start(name: str, *arguments: object) -> None:
            profiled = ("-m", "cProfile", "-o", str(profile_of(town, name))) if plan.profile == name else ()
            words = map(str, (*profiled, *arguments))
            town.processes[name] = await stack.enter_async_context(_process(town, guards, name, *words))

        for name in SERVICES:
            await start(name, "-m", name, "--settings", layout.settings(name))
        began = time.monotonic()
        for number in range(plan.drivers):
            first, last = (plan.edges * at // plan.drivers for at in (number, number + 1))
            await start(f"{EDGES}-{number}", "-m", plan.module, layout.directory, first, last, *plan.arguments)
        await _all_live(town)
        town.took_s["edges"] = time.monotonic() - began
        yield town


def _server_settings(layout: Layout) -> ServerSettings:
    description = layout.read()
    users = {}
    for name in description.principals:
        identity = Identity.load(layout.identity(name))
        users[identity.nkey_public] = permissions(Principal.of(identity))
    return ServerSettings(layout.nats, description.port, users, description.disk_bytes)


async def _provide(town: Town, voice: Voice) -> None:
    """Streams, consumers, and what the operator has to say first."""
    description = town.layout.read()
    control = town.operator.control
    await provide_streams(control, disk_bytes=description.disk_bytes)
    began = time.monotonic()
    for consumer in (*topology.WORK, *(topology.commands_of(edge) for edge in description.edges)):
        await provide_consumer(control, consumer)
    town.took_s["consumers"] = time.monotonic() - began
    began = time.monotonic()
    await introduce(voice, town.layout, description)
    town.took_s["registrations"] = time.monotonic() - began


def profile_of(town: Town, name: str) -> Path:
    """Where a profiled process leaves its profile when it ends."""
    return town.layout.directory / f"{name}.prof"


def print_profile(town: Town) -> None:
    """Where the time of the profiled process went, if there is one; call when it has ended."""
    if town.plan.profile is not None:
        profile = str(profile_of(town, town.plan.profile))
        pstats.Stats(profile).sort_stats("tottime").print_stats(_LINES)
        pstats.Stats(profile).sort_stats("cumulative").print_stats(_LINES)


@asynccontextmanager
async def _process(town: Town, guards: asyncio.TaskGroup, name: str, *arguments: str) -> AsyncIterator[int]:
    """A child of this process for as long as the block runs; gives its process id. If it ends before, all does."""
    log = town.layout.log(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=_ROOT, stdout=out, stderr=out, preexec_fn=die_with_parent
        )
    guard = guards.create_task(_guard(process, name, log))
    try:
        yield process.pid
    finally:
        guard.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _guard(process: asyncio.subprocess.Process, name: str, log: Path) -> None:
    status = await process.wait()
    raise Unavailable(f"{name} ended with status {status}; its log ends with:\n{_end(log)}", code="scale.process")


def _end(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-3:])


async def _all_live(town: Town) -> None:
    missing = set(town.layout.read().edges)
    async with connect(town.layout) as client:
        records = cast("AsyncGenerator[Record, None]", client.read("ev.federation.edge.>", follow=True))
        async with aclosing(records):
            async for record in records:
                if isinstance(record.body, EdgeAppeared):
                    missing.discard(record.body.edge)
                if not missing:
                    return
