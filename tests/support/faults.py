"""Faults of every kind on a running town, in an order that a seed decides, and what experiments make of them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bus.errors import MusterError
from muster.federation.layout import SERVICES
from support.federation import EDGES, Ran, Town, federation

PROCESSES = (*SERVICES, *EDGES, "nats-server")
DISKS = (*EDGES, "nats-server")
Fault = Callable[[Town, random.Random], Awaitable[str]]


async def kill(town: Town, chance: random.Random) -> str:
    victim = chance.choice(PROCESSES)
    town.kill(victim)
    return victim


async def stop(town: Town, chance: random.Random) -> str:
    victim, seconds = chance.choice(PROCESSES), chance.uniform(0.5, 4.0)
    pid = town.pid(victim)
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    return f"{victim} for {seconds:.1f} s"


async def cut(town: Town, chance: random.Random) -> str:
    edge, seconds = chance.choice(EDGES), chance.uniform(0.5, 6.0)
    town.lines[edge].cut()
    try:
        await asyncio.sleep(seconds)
    finally:
        town.lines[edge].mend()
    return f"{edge} for {seconds:.1f} s"


async def restart(town: Town, _: random.Random) -> str:
    town.kill("nats-server", signal.SIGTERM)
    return "nats-server"


async def fill_edge(town: Town, chance: random.Random) -> str:
    return await _fill(town, chance.choice(EDGES), chance.uniform(0.5, 4.0))


async def fill_server(town: Town, chance: random.Random) -> str:
    return await _fill(town, "nats-server", chance.uniform(0.5, 3.0))


async def _fill(town: Town, whose: str, seconds: float) -> str:
    disk = town.disks[whose]
    try:
        disk.fill()
        await asyncio.sleep(seconds)
    finally:
        disk.empty()
    return f"{whose} for {seconds:.1f} s"


KINDS: dict[str, tuple[Fault, int]] = {
    "kill -9": (kill, 6),
    "disk of the server full": (fill_server, 1),
    "line of an edge cut": (cut, 3),
    "disk of an edge full": (fill_edge, 2),
    "SIGSTOP": (stop, 3),
    "server restarted (SIGTERM)": (restart, 1),
}
"""Kind -> how, and how often beside the others."""


@dataclass
class Outcome:
    """What one schedule did, and what came of the experiment.

    Attributes:
        seed: Of the schedule.
        faults: Kind, to whom, and how many seconds after the first event it began.
        seconds: How long the experiment took.
        lost: Events that an undisturbed run says, and this one did not.
        twice: Events that it said more often than an undisturbed one, or besides.
        other_model: Whether the final model is another one.
        error: Why there is no result.
    """

    seed: int
    faults: list[tuple[str, str, float]] = field(default_factory=list)
    seconds: float = 0.0
    lost: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    twice: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    other_model: bool = False
    error: str | None = None

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.other_model or self.error)

    def __str__(self) -> str:
        trace = "; ".join(f"{at:.1f} s {kind}: {whom}" for kind, whom, at in self.faults)
        wrong = [self.error] if self.error else []
        wrong += [f"lost {dict(self.lost)}"] if self.lost else []
        wrong += [f"twice {dict(self.twice)}"] if self.twice else []
        wrong += ["another model"] if self.other_model else []
        return f"seed {self.seed}: {'; '.join(wrong) or 'ok'}, {self.seconds:.1f} s ({trace})"


async def disturb(town: Town, outcome: Outcome) -> None:
    """Faults one after the other, without end. The first two are such that all kinds come up in three seeds."""
    chance, began = random.Random(outcome.seed), time.monotonic()
    kinds = list(KINDS)
    due = [kinds[(2 * outcome.seed + place) % len(kinds)] for place in (1, 0)]
    while True:
        kind = due.pop() if due else chance.choices(kinds, [weight for _, weight in KINDS.values()])[0]
        await asyncio.sleep(chance.uniform(0.3, 3.0))
        entry = (kind, "under way at the end", time.monotonic() - began)
        outcome.faults.append(entry)
        try:
            whom = await KINDS[kind][0](town, chance)
        except ProcessLookupError:
            # It was dead already, and is being started again.
            outcome.faults.remove(entry)
            due.append(kind)
        else:
            outcome.faults[-1] = (kind, whom, entry[2])


async def disturbed(town: Town, seed: int, undisturbed: Ran) -> Outcome:
    """One experiment under the schedule of ``seed``."""
    outcome = Outcome(seed)
    began = time.monotonic()
    try:
        ran = await town.run(disturb=lambda: disturb(town, outcome))
        outcome.seconds = time.monotonic() - began
        await town.settled()
    except (AssertionError, MusterError, OSError) as error:
        outcome.seconds = outcome.seconds or time.monotonic() - began
        outcome.error = f"{type(error).__name__}: {error}"
        return outcome
    outcome.lost = undisturbed.events - ran.events
    outcome.twice = ran.events - undisturbed.events
    outcome.other_model = ran.digest != undisturbed.digest
    return outcome


async def campaign(folder: Path, seeds: range) -> AsyncIterator[Outcome]:
    """One experiment per seed, in one town; after one that went wrong, in a new town."""
    left, undisturbed = list(seeds), None
    while left:
        async with AsyncExitStack() as stack:
            town = await stack.enter_async_context(federation(folder / f"from-{left[0]}", disks=DISKS))
            undisturbed = undisturbed or await town.run()
            good = True
            while left and good:
                outcome = await disturbed(town, left.pop(0), undisturbed)
                good = outcome.good
                yield outcome


def table(outcomes: list[Outcome], seconds: float) -> str:
    """What a campaign came to, in Markdown."""
    lines = [
        "| fault | times | in schedules | events lost | events twice | other models |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for kind in KINDS:
        those = [o for o in outcomes if any(found == kind for found, _, _ in o.faults)]
        times = sum(found == kind for o in outcomes for found, _, _ in o.faults)
        lines.append(f"| {kind} | {times} | {len(those)} | {_sums(those)} |")
    count = sum(len(o.faults) for o in outcomes)
    lines.append(f"| **all** | {count} | {len(outcomes)} | {_sums(outcomes)} |")
    bad = [o for o in outcomes if not o.good]
    lines += ["", f"{len(outcomes)} schedules, {len(bad)} of them went wrong, {seconds:.0f} seconds."]
    return "\n".join([*lines, *(f"- {outcome}" for outcome in bad)])


def _sums(outcomes: list[Outcome]) -> str:
    lost = sum(sum(o.lost.values()) for o in outcomes)
    twice = sum(sum(o.twice.values()) for o in outcomes)
    return f"{lost} | {twice} | {sum(o.other_model for o in outcomes)}"
