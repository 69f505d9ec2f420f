"""The services of a federation on a broker in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aggregator.service
import coordinator.service
import edge_daemon.service
import policy_engine.service
from bus.errors import Unavailable
from bus.identity.directory import Principal
from bus.identity.keys import Identity
from bus.memory import MemoryBroker
from bus.runtime.listening import learn_principals
from bus.runtime.service import Build, serve_on
from bus.runtime.settings import ServiceSettings
from bus.runtime.voice import Voice
from bus.wire import topology
from edge_daemon.settings import EdgeSettings
from ingest.config import make_config
from ingest.service import IngestSettings, bring_in
from muster.client import PATIENCE_S, Client
from muster.federation.create import create
from muster.federation.layout import OPERATOR, Layout
from muster.federation.supervisor import introduce
from muster.sdk.federation import Federation
from muster.testing.files import written

_VENDOR: Final = "vendor"
_LEASE_S: Final = 3.0
_READY_S: Final = 60.0
_SERVICES: Final[Mapping[str, tuple[type[ServiceSettings], Build[Any]]]] = {
    "coordinator": (coordinator.service.CoordinatorSettings, coordinator.service.build),
    "aggregator": (aggregator.service.AggregatorSettings, aggregator.service.build),
    "policy_engine": (policy_engine.service.PolicyEngineSettings, policy_engine.service.build),
}
_EDGE: Final[tuple[type[ServiceSettings], Build[Any]]] = (EdgeSettings, edge_daemon.service.build)


@asynccontextmanager
async def running(
    data: Mapping[str, Any],
    *,
    target: str,
    category: str,
    dataset: str,
    words: Any = None,  # noqa: ANN401
) -> AsyncIterator[Federation]:
    """A federation for as long as the block runs. Arguments and errors as ``muster.testing.federation``."""
    with tempfile.TemporaryDirectory(prefix="muster-testing-") as name:
        folder = Path(name)
        layout = create(folder / "federation", edges=tuple(data), vendors=(_VENDOR,), lease_s=_LEASE_S)
        broker = MemoryBroker()
        for consumer in (*topology.WORK, *(topology.commands_of(edge) for edge in data)):
            broker.provide(consumer)
        operator = Identity.load(layout.identity(OPERATOR))
        await introduce(Voice(broker, operator), layout, layout.read())
        for edge, rows in data.items():
            files = await asyncio.to_thread(written, rows, folder / "rows" / edge, edge)
            about = {"dataset": dataset, "category": category, "target": target, "infer": True, **files}
            await _take_in(layout, edge, {**about, "consent": {"words": words}} if words is not None else about, broker)
        async with _serving(layout, broker, tuple(data)):
            identity = Identity.load(layout.identity(_VENDOR))
            directory = await learn_principals(broker, Principal.of(operator))
            voice = Voice(broker, identity, patience_s=PATIENCE_S)
            yield Federation(Client(broker, identity, directory, voice))


async def _take_in(layout: Layout, edge: str, about: Mapping[str, Any], broker: MemoryBroker) -> None:
    settings = IngestSettings.load(layout.settings(edge))
    settings.data.mkdir(parents=True, exist_ok=True)
    config = make_config({**about, "store": settings.store_url})
    await bring_in(config, settings, patience_s=PATIENCE_S, broker=broker)


@asynccontextmanager
async def _serving(layout: Layout, broker: MemoryBroker, edges: tuple[str, ...]) -> AsyncIterator[None]:
    """All services, ready for work; they end with the block."""
    stop = asyncio.Event()
    kinds = {**_SERVICES, **dict.fromkeys(edges, _EDGE)}
    ready = {name: asyncio.Event() for name in kinds}
    tasks = [
        asyncio.create_task(
            serve_on(broker, settings.load(layout.settings(name)), build, ready=ready[name], stop=stop), name=name
        )
        for name, (settings, build) in kinds.items()
    ]
    try:
        await _until_ready(tasks, ready)
        yield
    finally:
        stop.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _until_ready(tasks: Sequence[asyncio.Task[None]], ready: Mapping[str, asyncio.Event]) -> None:
    all_ready = asyncio.gather(*(event.wait() for event in ready.values()))
    waited: set[asyncio.Future[Any]] = {all_ready, *tasks}
    await asyncio.wait(waited, timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED)
    if all_ready.done():
        return
    all_ready.cancel()
    for task in tasks:
        if task.done():
            task.result()
    missing = ", ".join(name for name, event in ready.items() if not event.is_set())
    raise Unavailable(f"not ready after {_READY_S:g} s: {missing}", code="federation.start")
