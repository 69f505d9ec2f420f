"""Coordinator, policy engine and aggregator on the memory bus, with edges that answer without training."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from aggregator import service as aggregator
from bus.events import Event
from bus.events.base import Digest, OwnerId, PrincipalId
from bus.events.cycles import CycleKind, RunCycle, UpdateSealed
from bus.events.governance import VendorAllowed
from bus.events.weights import JETSTREAM, Encoded, Resources, SealedObject
from bus.identity.directory import Directory
from bus.memory import MemoryBroker
from bus.ports import Broker
from bus.runtime.listening import Work, ignore, learn_principals, verified
from bus.runtime.service import Context, hold_lease
from bus.runtime.settings import ServiceSettings
from bus.runtime.voice import Voice
from bus.weights import encoded, incoming, layout, outgoing
from bus.wire import topology
from bus.wire.record import Record
from bus.wire.subjects import weights_address
from coordinator import service as coordinator
from edge_daemon.domain.jobs import Job, State
from edge_daemon.encoding import FRAMES, RESIDUAL, Files, encode_update
from edge_daemon.kept import Kept
from policy_engine import service as policy_engine
from support import people
from support.story import EDGES, registered, submission

ACME = OwnerId("acme")
LEASE_S = 1.0
EXAMPLES = {"hospital-a": 10, "hospital-b": 30, "hospital-c": 60}


def weights_of(edge: str, command: RunCycle, received: np.ndarray) -> dict[str, np.ndarray]:
    """What an edge 'learns': its own fixed step away from what it received."""
    step = np.float32(EXAMPLES[edge] / 100)
    match command.cycle.kind:
        case CycleKind.STATISTICS:
            return {"sum": np.full(3, EXAMPLES[edge], np.float64)}
        case CycleKind.INITIALISE:
            return {"w": np.zeros(300_000, np.float32)}
        case _:
            return {"w": received + step}


Tensors = dict[str, np.ndarray]
Learn = Callable[[str, RunCycle, Tensors], tuple[Tensors, dict[str, str]]]
"""Edge, command, received tensors -> tensors and reductions of its update."""


def steps(edge: str, command: RunCycle, received: Tensors) -> tuple[Tensors, dict[str, str]]:
    """See ``weights_of``."""
    tensors = weights_of(edge, command, received.get("w", np.zeros(0, np.float32)))
    return tensors, dict.fromkeys(tensors, "sum" if command.cycle.kind is CycleKind.STATISTICS else "mean")


@dataclass
class Edge:
    """An edge that answers every command with weights of its own making."""

    name: str
    broker: Broker
    directory: Directory
    folder: Path
    delay: Callable[[RunCycle], Awaitable[None]] | None = None
    forge: Callable[[RunCycle, UpdateSealed], Awaitable[Event]] | None = None
    """What it says instead, once its weights are stored."""
    store: str = JETSTREAM
    """Where its weights go, whatever the plan wants."""
    handled: list[str] = field(default_factory=list)
    learn: Learn = steps
    claim: Callable[[SealedObject], SealedObject] = lambda sealed: sealed
    """What it says of what it sent."""

    @property
    def voice(self) -> Voice:
        return Voice(self.broker, people.identity(self.name))

    async def run(self, stop: asyncio.Event) -> None:
        work = Work(self.broker, topology.commands_of(self.name), self.directory, self.voice, self.handle)
        await asyncio.gather(work.run(stop), hold_lease(self.voice, LEASE_S, stop))

    async def handle(self, record: Record) -> None:
        command = record.body
        if not isinstance(command, RunCycle):
            return
        self.handled.append(str(command.cycle))
        if self.delay is not None:
            await self.delay(command)
        said: Event = await self.update(command, record)
        if self.forge is not None and isinstance(said, UpdateSealed):
            said = await self.forge(command, said)
        await self.voice.say(said, owner=ACME, cause=record)

    async def update(self, command: RunCycle, record: Record) -> Event:
        sealed, went_on = None, False
        if command.cycle.kind is not CycleKind.EVALUATE:
            sealed, went_on = await self._upload(command, record)
        return UpdateSealed(
            experiment=command.experiment,
            cycle=command.cycle,
            command=record.id,
            weights=sealed,
            examples=EXAMPLES[self.name],
            resources=Resources(wall_s=0, cpu_s=0, peak_memory_bytes=0),
            environment=Digest("sha256:e"),
            follows=command.follows if went_on else None,
        )

    async def _upload(self, command: RunCycle, record: Record) -> tuple[Any, bool]:
        """What is said of the weights, and whether something that was kept went into them."""
        path = self.folder / f"{self.name}-{command.experiment}-{command.cycle}.safetensors"
        model = path.with_suffix(".model")
        received: Tensors = {}
        if command.cycle.kind is CycleKind.TRAIN:
            assert command.model is not None
            await incoming.download_file(self.broker.blobs(), command.model, people.identity(self.name), model)
            received = read(model)
        tensors, reductions = self.learn(self.name, command, received)
        save_file(tensors, path, {"muster": json.dumps({"reductions": reductions})})
        data = path.read_bytes()
        about = layout.parse(data[: layout.header_bytes(data)])
        address = weights_address("acme", self.name, command.experiment, f"update-{command.cycle}-{command.trial}")
        to = {"aggregator": self.directory["aggregator"].sealing}  # type: ignore[index]
        own, blobs = people.identity(self.name), self.broker.blobs()
        if command.encoding.plain:
            sealed = await outgoing.upload_file(
                blobs, path, address, own, to, layout=about.digest, store=lambda _: self.store
            )
            return self.claim(sealed.model_copy(update={"members": about.members or None})), False
        said, went_on, frames = self.encode(command, record, model, path)
        said_of = await encoded.upload(
            blobs,
            frames,
            address,
            own,
            to,
            encoded=said,
            size_bytes=about.size_bytes,
            layout=about.digest,
            store=lambda _: self.store,
        )
        return self.claim(said_of), went_on

    def encode(self, command: RunCycle, record: Record, model: Path, trained: Path) -> tuple[Encoded, bool, Path]:
        """What the edge daemon does: what is to be said, whether what was left out was added, the file of frames."""
        kept = Kept(self.folder / f"{self.name}-kept", PrincipalId(self.name))
        job, output = Job(record, State.WORKED), trained.with_suffix(".output")
        output.mkdir(exist_ok=True)
        said, went_on = encode_update(command, Files(model, trained, kept.read(job, RESIDUAL), output, output / "kept"))
        for file in (output / "kept").glob("*"):
            kept.keep(job, file)
        return said, went_on, output / FRAMES


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a body."""

    return dict(load_file(path))


@dataclass
class Spine:
    """Everything that runs."""

    broker: Broker
    directory: Directory
    folder: Path
    edges: dict[str, Edge] = field(default_factory=dict)

    def voice(self, name: str) -> Voice:
        return Voice(self.broker, people.identity(name))

    async def submit(self, **changes: object) -> None:
        await self.voice("acme").say(submission(**changes), owner=ACME)

    async def until_said(self, *kinds: type[Event]) -> list[Record]:
        """All events up to the first of one of ``kinds``."""
        seen = []
        async with asyncio.timeout(60):
            async for record in verified(self.broker, people.directory(), "ev.acme.>", reject=ignore, follow=True):
                seen.append(record)
                if isinstance(record.body, kinds):
                    return seen
        raise AssertionError


CONSUMERS = (*topology.WORK, *(topology.commands_of(edge) for edge in EDGES))
SERVICES = {"coordinator": coordinator, "policy_engine": policy_engine, "aggregator": aggregator}
SETTINGS: dict[str, type[ServiceSettings]] = {
    "coordinator": coordinator.CoordinatorSettings,
    "policy_engine": policy_engine.PolicyEngineSettings,
    "aggregator": aggregator.AggregatorSettings,
}


def context(broker: Broker, name: str, folder: Path, stop: asyncio.Event) -> Context[Any]:
    """What a service is given, on a broker of the test's."""
    kind = SETTINGS[name]
    settings = kind(server_url="memory", identity=folder, anchor=folder, data=folder, lease_s=LEASE_S)
    voice = Voice(broker, people.identity(name))
    return Context(settings, broker, voice, people.anchor(), Directory(people.anchor()), stop)


async def run_service(broker: Broker, name: str, folder: Path, stop: asyncio.Event) -> None:
    """One service until ``stop`` is set."""
    ours = context(broker, name, folder, stop)
    tasks = await SERVICES[name].build(ours)
    await asyncio.gather(*(task() for task in tasks.values()), hold_lease(ours.voice, LEASE_S, stop))


@asynccontextmanager
async def running_spine(
    folder: Path, broker: MemoryBroker | None = None, *, brokers: Mapping[str, Broker] | None = None
) -> AsyncIterator[Spine]:
    """Services and three edges, with everybody registered, data announced and the vendor allowed.

    Args:
        folder: For the edges' files.
        broker: The memory bus, if it shall be a certain one.
        brokers: Principal -> its connection to a real one that has its consumers; then there is no memory bus.
    """
    if brokers is None:
        memory = broker or MemoryBroker()
        for consumer in CONSUMERS:
            memory.provide(consumer)
        brokers = defaultdict(lambda: memory)
    await introduce(brokers["operator"])
    stop = asyncio.Event()
    spine = Spine(brokers["operator"], await learn_principals(brokers["operator"], people.anchor()), folder)
    async with asyncio.TaskGroup() as group:
        for name in SERVICES:
            group.create_task(run_service(brokers[name], name, folder, stop))
        for name in EDGES:
            spine.edges[name] = Edge(name, brokers[name], spine.directory, folder)
            group.create_task(spine.edges[name].run(stop))
        try:
            yield spine
        finally:
            stop.set()


async def introduce(broker: Broker) -> None:
    """What has to be said before anything can happen."""
    operator = Voice(broker, people.identity("operator"))
    for name in people.ROLES:
        if name != "operator":
            await operator.say(people.registration(name))
    await operator.say(VendorAllowed(vendor=ACME, request="setup"))
    for edge in EDGES:
        await Voice(broker, people.identity(edge)).say(registered(edge))
