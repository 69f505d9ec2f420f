"""A process with one or more edges: ``python -m benchmarks.weights.edges FEDERATION FIRST LAST MEGABYTES ARRAYS SEED``.

Each is the whole edge daemon, with its settings, job store, data store, checks and lease; only its worker is echo
training in the daemon's own process.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.town.names import name_of
from benchmarks.weights.worker import Echo
from bus.events.datasets import DatasetRegistered
from bus.runtime import logs, memory, telemetry
from bus.runtime.service import Context, Task, serve
from edge_daemon.service import build
from edge_daemon.settings import EdgeSettings
from muster.federation.layout import Layout


def registration_of(layout: Layout, edge: str) -> Path:
    """Where the benchmark leaves what an edge shall say about its data."""
    return layout.data(edge) / "registered.json"


async def live(layout: Layout, echo: Echo, stop: asyncio.Event) -> None:
    """One edge until ``stop`` is set."""
    name = name_of(echo.number)

    async def furnished(context: Context[EdgeSettings]) -> Mapping[str, Task]:
        tasks = await build(context, echo.run)
        await context.voice.say(DatasetRegistered.model_validate_json(registration_of(layout, name).read_text()))
        return tasks

    await serve(EdgeSettings.load(layout.settings(name)), furnished, ready=asyncio.Event(), stop=stop)


async def main(layout: Layout, echoes: list[Echo]) -> None:
    """All edges of this process, until it is told to end."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as group:
        for echo in echoes:
            group.create_task(live(layout, echo, stop))


if __name__ == "__main__":
    folder, first, last, megabytes, arrays, seed = sys.argv[1:7]
    here = [Echo(number, float(megabytes), int(arrays), int(seed)) for number in range(int(first), int(last))]
    federation = Layout(Path(folder))
    logs.configure("info")
    memory.keep_freed()
    finish = telemetry.configure("edge_daemon", name_of(here[0].number), federation.traces(name_of(here[0].number)))
    try:
        asyncio.run(main(federation, here))
    finally:
        finish()
