"""How long a coordinator takes to be ready after a restart, by length of the history, with and without a snapshot.

Usage: python benchmarks/history.py [EVENTS ...]

Publishes experiments of 17 events each to a real server, then has a coordinator catch up: once from the first event,
and once from its snapshot. Prints a table.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from bus.events.base import ExperimentId
from bus.identity.directory import sign
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.provision import provide_streams
from bus.jetstream.server import EmbeddedServer, ServerSettings, free_port
from bus.runtime.clock import SystemClock
from bus.wire import envelope
from bus.wire.message import Message
from bus.wire.subjects import of
from bus.wire.topology import StreamName
from coordinator.service import Coordinator
from support import people
from support.play import Play
from support.spine import context, introduce

BATCH = 200
MIB = 1024 * 1024


def template() -> list[tuple[object, str]]:
    """Bodies and speakers of one whole experiment."""
    play = Play(cycles=1)
    start = len(play.heard) - 2
    for _ in range(4):
        play.cycle()
    play.settle()
    return [(record.body, record.actor) for record in play.heard[start:]]


def messages(number: int, story: list[tuple[object, str]]) -> list[Message]:
    """One experiment's events, under an id of its own."""
    clock, identity = SystemClock(), ExperimentId(f"01{number:06}")
    found = []
    for body, actor in story:
        event = body.model_copy(update={"experiment": identity})
        subject = of(event, owner="acme", actor=actor)
        wrapped = envelope.wrap(event, subject=subject, actor=actor, time=clock.now())
        found.append(sign(wrapped, people.identity(actor)))
    return found


async def fill(broker: JetStreamBroker, have: int, want: int) -> int:
    """Append experiments until there are ``want`` events."""
    story, log, batch = template(), broker.log(StreamName.EVENTS), []
    number = have
    while have < want:
        batch += messages(number, story)
        number += 1
        if len(batch) >= BATCH or have + len(batch) >= want:
            have = await log.append(batch)
            batch = []
    return have


async def ready(broker: JetStreamBroker, folder: Path) -> tuple[float, int]:
    """Seconds until a coordinator has caught up, and where it is then."""
    coordinator = Coordinator(context(broker, "coordinator", folder, asyncio.Event()))
    began = time.perf_counter()
    await coordinator.decider.catch_up()
    return time.perf_counter() - began, coordinator.world.position


async def main(sizes: list[int]) -> None:
    print("events     from the first event   from the snapshot   peak memory")
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(ServerSettings(Path(folder) / "nats", free_port(), {}))
        await server.start()
        try:
            async with JetStreamBroker.connect(Endpoint(server.settings.url, "tester")) as broker:
                await provide_streams(broker.control, disk_bytes=4 * 1024**3)
                await introduce(broker)
                have = 0
                for size in sizes:
                    have = await fill(broker, have, size)
                    data = Path(folder) / str(size)
                    data.mkdir()
                    first, position = await ready(broker, data)
                    again, same = await ready(broker, data)
                    assert position == same == have
                    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
                    print(f"{have:<10} {first:>17.2f} s {again:>18.2f} s {peak:>10.0f} MiB", flush=True)
        finally:
            await server.stop()


if __name__ == "__main__":
    asyncio.run(main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 100_000]))
