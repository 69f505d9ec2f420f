"""Real processes under a seeded schedule of faults: killed, stopped for a while, cut off from the server."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from muster.federation.layout import SERVICES
from support.federation import EDGES, Ran, Town, federation

SEEDS = int(os.environ.get("MUSTER_FAULTS", "200"))
PROCESSES = (*SERVICES, *EDGES, "nats-server")


async def kill(town: Town, chance: random.Random) -> str:
    victim = chance.choice(PROCESSES)
    town.kill(victim)
    return f"kill -9 {victim}"


async def stop(town: Town, chance: random.Random) -> str:
    victim, seconds = chance.choice(PROCESSES), chance.uniform(0.5, 6.0)
    pid = town.pid(victim)
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    return f"SIGSTOP {victim}"


async def cut(town: Town, chance: random.Random) -> str:
    edge, seconds = chance.choice(EDGES), chance.uniform(0.5, 10.0)
    town.lines[edge].cut()
    try:
        await asyncio.sleep(seconds)
    finally:
        town.lines[edge].mend()
    return f"cut {edge}"


FAULTS: tuple[Callable[[Town, random.Random], Awaitable[str]], ...] = (kill, kill, stop, cut)


async def disturbed(town: Town, seed: int, done: Counter[str]) -> Ran:
    """One experiment under the schedule of ``seed``."""
    chance = random.Random(seed)

    async def disturb() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.3, 4.0))
            try:
                done[await chance.choice(FAULTS)(town, chance)] += 1
            except ProcessLookupError:
                continue  # it was dead already, and is being started again

    disturbing = asyncio.create_task(disturb())
    try:
        return await town.run()
    finally:
        disturbing.cancel()
        await asyncio.gather(disturbing, return_exceptions=True)
        await asyncio.sleep(1.0)


async def campaign(folder: Path, seeds: range) -> Counter[str]:
    """Run all seeds in one federation; returns which faults there were."""
    faults: Counter[str] = Counter()
    async with federation(folder) as town:
        undisturbed = await town.run()
        for seed in seeds:
            ran = await disturbed(town, seed, faults)
            assert ran.digest == undisturbed.digest, f"seed {seed}: another model"
            assert ran.events == undisturbed.events, f"seed {seed}: {ran.events - undisturbed.events}"
    return faults


@pytest.mark.timeout(400)
async def test_a_few_schedules(tmp_path: Path) -> None:
    assert sum((await campaign(tmp_path, range(3))).values()) > 2


@pytest.mark.slow
@pytest.mark.timeout(0)
async def test_campaign(tmp_path: Path) -> None:
    faults = await campaign(tmp_path, range(1000, 1000 + SEEDS))
    print(f"\n{SEEDS} schedules, all models equal, every event once\n")
    for fault, count in sorted(faults.items()):
        print(f"{fault:<24} {count:>5}")
