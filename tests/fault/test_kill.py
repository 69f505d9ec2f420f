"""Any process may be killed in the middle of a cycle: the experiment ends with the same model, every event once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bus.events.cycles import CycleClosed, CycleOpened, UpdateSealed
from bus.wire.record import Record
from muster.follow import View
from support.federation import Town, federation

VICTIMS = {
    "coordinator": UpdateSealed,
    "policy_engine": CycleOpened,
    "audit_sink": CycleOpened,
    "hospital-b": CycleOpened,
    "aggregator": CycleClosed,
    "nats-server": UpdateSealed,
}
"""Who is killed, and at which event of the first training cycle."""


@pytest.mark.timeout(600)
async def test_any_process_may_be_killed_in_mid_cycle(tmp_path: Path) -> None:
    async with federation(tmp_path) as town:
        undisturbed = await town.run()
        assert not town.restarts
        for victim, moment in VICTIMS.items():
            disturbed = await town.run(_killing(town, victim, moment))
            assert town.restarts == [victim]
            assert disturbed.digest == undisturbed.digest, victim
            assert disturbed.events == undisturbed.events, victim
            town.restarts.clear()


def _killing(town: Town, victim: str, moment: type):
    """Kills ``victim`` once, at the first event of type ``moment`` in training cycle 1."""
    killed = []

    def tell(_: View, record: Record | None) -> None:
        if killed or record is None or not isinstance(record.body, moment):
            return
        if record.body.cycle.number == 1 and record.body.cycle.kind == "train":
            town.kill(victim)
            killed.append(victim)

    return tell


@pytest.mark.timeout(300)
async def test_a_second_coordinator_takes_over_at_once(tmp_path: Path) -> None:
    """Two processes with one identity: neither harms the other, and either is enough."""
    async with federation(tmp_path) as town:
        undisturbed = await town.run()
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "coordinator", "--settings", town.layout.settings("coordinator")
        )
        try:
            together = await town.run()
            os.kill(town.pid("coordinator"), signal.SIGSTOP)
            alone = await town.run()
            os.kill(town.pid("coordinator"), signal.SIGCONT)
            again = await town.run()
        finally:
            second.terminate()
            await second.wait()
    for ran in (together, alone, again):
        assert ran == undisturbed
