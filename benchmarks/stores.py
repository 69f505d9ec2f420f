"""What a byte costs in each store of sealed weights: seconds, and CPU seconds of the client and of the server.

One body is sealed, uploaded, downloaded and opened, by the code that edges and the aggregator use, against a real
nats-server and a real SeaweedFS on loopback. The ratio is that of the same run.

Usage: stores.py [--megabytes 100] [--runs 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from bus.events.weights import JETSTREAM, S3, SealedObject
from bus.jetstream import Endpoint, JetStreamBroker
from bus.weights import incoming, outgoing
from support.nats import running_server
from support.people import directory, identity
from support.weed import running_weed

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """One way of one body."""

    wall_s: float
    client_s: float
    server_s: float

    def __str__(self) -> str:
        return f"{self.wall_s:8.2f} {self.client_s:12.2f} {self.server_s:12.2f}"

    def over(self, other: Cost) -> str:
        """The ratio."""
        cpu = (self.client_s + self.server_s) / (other.client_s + other.server_s)
        return f"{self.wall_s / other.wall_s:.2f} of the seconds, {cpu:.2f} of the CPU seconds"


def cpu_s(pids: tuple[int, ...]) -> float:
    """What the servers have used so far: the broker's too, since it keeps the keys."""
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(each[11]) + int(each[12]) for each in fields) * TICK_S


async def costs(work: Callable[[], Awaitable[SealedObject | None]], pids: tuple[int, ...]) -> Cost:
    wall, client, server = time.perf_counter(), time.process_time(), cpu_s(pids)
    await work()
    return Cost(time.perf_counter() - wall, time.process_time() - client, cpu_s(pids) - server)


def middle(found: list[Cost]) -> Cost:
    columns = zip(*((each.wall_s, each.client_s, each.server_s) for each in found), strict=True)
    return Cost(*map(statistics.median, columns))


async def one(broker: JetStreamBroker, body: Path, store: str, run: int, pids: tuple[int, ...]) -> tuple[Cost, Cost]:
    """Up and down."""
    address, sealed = f"w.acme.hospital-a.X.{store}-{run}", []
    recipients = {"aggregator": directory()["aggregator"].sealing}  # type: ignore[index]

    async def up() -> None:
        choose = lambda _: store  # noqa: E731
        owner = identity("hospital-a")
        sealed.append(await outgoing.upload_file(broker.blobs(), body, address, owner, recipients, store=choose))

    async def down() -> None:
        out = body.with_name("out")
        await incoming.download_file(broker.blobs(), sealed[0], identity("aggregator"), out)
        out.unlink()

    return await costs(up, pids), await costs(down, pids)


async def main(megabytes: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as name, running_weed(Path(name) / "weed") as weed:
        folder = Path(name)
        body = folder / "body"
        body.write_bytes(os.urandom(megabytes * 1_000_000))
        beside = {S3: weed.blobs(weed.bucket(), retry_s=15)}
        async with (
            running_server(folder) as nats,
            JetStreamBroker.connect(Endpoint(nats.settings.url, "benchmark"), stores=beside) as broker,
        ):
            pids = (nats.pid, weed.pid)
            found: dict[str, list[tuple[Cost, Cost]]] = {JETSTREAM: [], S3: []}
            for store in found:
                await one(broker, body, store, -1, pids)
            for run in range(runs):
                for store, costs_ in found.items():
                    costs_.append(await one(broker, body, store, run, pids))
    print(f"{megabytes} MB, {runs} runs after one to warm up, medians; load {os.getloadavg()[0]:.1f}")
    print(f"{'':22} {'seconds':>8} {'client CPU s':>12} {'server CPU s':>12}")
    for place, way in enumerate(("upload", "download")):
        there, here = (middle([each[place] for each in found[store]]) for store in (S3, JETSTREAM))
        print(f"{way:9} {JETSTREAM:12} {here}")
        print(f"{way:9} {S3:12} {there}   {there.over(here)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.megabytes, arguments.runs))
