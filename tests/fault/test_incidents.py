"""Incidents that users of other systems lived through, on real processes.

Where they are told, and which test holds each: ``docs/explanation/faults.md``. Those in virtual time are in
``tests/simulation``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bus.events import Event
from bus.events.cycles import CycleAbandoned, CycleClosed, CycleExpired, CycleOpened, UpdateFailed, UpdateSealed
from bus.wire.record import Record
from muster.federation.layout import SERVICES
from muster.telling.follow import View
from support.federation import EDGES, PLAN, Town

from .conftest import Known

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]


class Heard:
    """Set once an event was said."""

    def __init__(self, kind: type[Event], cycle: str = "1-train-1", by: str | None = None) -> None:
        self.event = asyncio.Event()
        self._kind, self._cycle, self._by = kind, cycle, by

    def __call__(self, _: View, record: Record | None) -> None:
        if record is None or not isinstance(record.body, self._kind) or self._by not in {None, record.actor}:
            return
        if str(getattr(record.body, "cycle", "")) == self._cycle:
            self.event.set()


async def test_an_acknowledgement_that_is_lost_is_harmless(known: Known) -> None:
    """Elsewhere: the server had the result, the site never heard so; the run died and blocked the queue for hours."""
    line, arrived = known.town.lines["hospital-b"], Heard(UpdateSealed, by="hospital-b")
    line.deaf_from = b".hospital-b.sealed.1-train-1"

    async def disturb() -> None:
        await arrived.event.wait()
        assert line.deaf
        line.cut()
        line.mend()

    try:
        assert await known.town.run(arrived, disturb=disturb) == known.undisturbed
    finally:
        line.mend()


async def test_a_worker_that_is_killed_is_told_and_tried_again(known: Known) -> None:
    """Elsewhere: a job died before it could say that it had ended, and its run stood there for ever, without a word."""
    town, opened = known.town, Heard(CycleOpened)
    failures: list[UpdateFailed] = []

    def tell(view: View, record: Record | None) -> None:
        opened(view, record)
        if record is not None and isinstance(record.body, UpdateFailed):
            failures.append(record.body)

    async def disturb() -> None:
        await opened.event.wait()
        os.kill(await _worker(town, "hospital-b"), signal.SIGKILL)

    disturbed = await town.run(tell, disturb=disturb)
    assert [(failure.failure.code, failure.failure.edge) for failure in failures] == [("resource.killed", "hospital-b")]
    assert disturbed.digest == known.undisturbed.digest
    assert not known.undisturbed.events - disturbed.events
    assert Counter(kind for _, kind, _ in disturbed.events - known.undisturbed.events) == {"update.failed": 1}


async def _worker(town: Town, edge: str) -> int:
    """The process in which the vendor's code runs at an edge, once there is one."""
    async with asyncio.timeout(30):
        while True:
            parents = {}
            for stat in Path("/proc").glob("[0-9]*/stat"):
                try:
                    parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
            for pid in parents:
                if town.pid(edge) in _ancestors(pid, parents) and _runs(pid, "training.worker"):
                    return pid
            await asyncio.sleep(0.01)


def _ancestors(pid: int, parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while (pid := parents.get(pid, 0)) > 1:
        found.add(pid)
    return found


def _runs(pid: int, module: str) -> bool:
    """Whether it is a Python process with this module; not what only walls it in."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"python" in Path(os.fsdecode(words[0])).name.encode() and module.encode() in words


async def test_all_edges_are_gone_and_come_back(known: Known) -> None:
    """Elsewhere: with its last client gone the server waited on, and had to be killed by hand.

    The cycle comes to its deadline and is said to be abandoned, with who did not answer; then the run waits, and goes
    on by itself.
    """
    town = known.town
    opened, abandoned = Heard(CycleOpened), Heard(CycleAbandoned)
    seen: list[type] = []

    def tell(view: View, record: Record | None) -> None:
        opened(view, record)
        abandoned(view, record)
        if record is not None:
            seen.append(type(record.body))

    async def disturb() -> None:
        await opened.event.wait()
        pids = [town.pid(edge) for edge in EDGES]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await abandoned.event.wait()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    town.plan.write_text(f"{PLAN}deadline_s: 8\n")
    try:
        disturbed = await town.run(tell, disturb=disturb)
    finally:
        town.plan.write_text(PLAN)
    assert CycleExpired in seen
    assert disturbed.digest == known.undisturbed.digest


async def test_no_answer_is_lost_while_the_machine_is_busy(known: Known) -> None:
    """Elsewhere: with more than half of the cores busy replies expired on their way, and the run went wrong."""
    burners = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        assert await known.town.run() == known.undisturbed
    finally:
        for burner in burners:
            burner.kill()
            await burner.wait()


async def test_whoever_was_restarted_gets_work_again(known: Known) -> None:
    """Elsewhere: a site that was restarted got no work any more until the server was restarted too.

    Every process ends in good order, one after the other, in the middle of one run, the server included.
    """
    town = known.town
    order = iter((*EDGES, *SERVICES, "nats-server"))

    def tell(_: View, record: Record | None) -> None:
        if record is not None and isinstance(record.body, CycleOpened | CycleClosed):
            for _ in range(2 if record.body.cycle.kind == "train" else 1):
                if (name := next(order, None)) is not None:
                    town.kill(name, signal.SIGTERM)

    assert await town.run(tell) == known.undisturbed
    assert set(town.restarts) == {*EDGES, *SERVICES, "nats-server"}
    town.restarts.clear()
    assert await town.run() == known.undisturbed


async def test_a_damaged_snapshot_is_not_believed(known: Known) -> None:
    """Elsewhere: the server tried to restore a job from a damaged snapshot, and was stuck there at every start."""
    town = known.town

    def damage() -> Callable[[View, Record | None], None]:
        def tell(view: View, record: Record | None) -> None:
            if record is not None and isinstance(record.body, UpdateSealed) and not town.restarts:
                for name in ("coordinator", "policy_engine"):
                    (town.layout.data(name) / "snapshot.json").write_bytes(b'{"format": "muster-snapshot-v1", "for')
                    town.kill(name)
                town.restarts.append("damaged")

        return tell

    assert await town.run(damage()) == known.undisturbed
    assert sorted(town.restarts) == ["coordinator", "damaged", "policy_engine"]
    log = town.layout.log("coordinator").read_text()
    assert "the log is folded instead" in log
