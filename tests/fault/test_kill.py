"""Any process may be killed in the middle of a cycle: the experiment ends with the same model, every event once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from bus.events import Event
from bus.events.cycles import CycleClosed, CycleOpened, UpdateSealed
from bus.wire.record import Record
from muster.telling.follow import View
from support.federation import Town

from .conftest import Known

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

RUNS: tuple[dict[str, type[Event]], ...] = (
    {"policy_engine": CycleOpened, "hospital-b": CycleOpened},
    {"audit_sink": CycleOpened, "aggregator": CycleClosed},
    {"coordinator": UpdateSealed, "nats-server": CycleClosed},
)
"""Who is killed in one run, and at which event of the first training cycle."""


@pytest.mark.parametrize("moments", RUNS, ids=lambda moments: "-".join(moments))
async def test_any_process_may_be_killed_in_mid_cycle(known: Known, moments: dict[str, type[Event]]) -> None:
    disturbed = await known.town.run(_killing(known.town, moments))
    assert sorted(known.town.restarts) == sorted(moments)
    assert disturbed == known.undisturbed


def _killing(town: Town, moments: dict[str, type[Event]]):
    """Kills each victim once, at the first event of its type in training cycle 1."""
    left = dict(moments)

    def tell(_: View, record: Record | None) -> None:
        body = None if record is None else record.body
        if not isinstance(body, CycleOpened | CycleClosed | UpdateSealed) or str(body.cycle) != "1-train-1":
            return
        for victim in [name for name, moment in left.items() if isinstance(body, moment)]:
            del left[victim]
            town.kill(victim)

    return tell


async def test_a_second_coordinator_takes_over_at_once(known: Known) -> None:
    """Two processes with one identity: neither harms the other, and either is enough."""
    town = known.town
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "coordinator", "--settings", town.layout.settings("coordinator")
    )
    try:
        together = await town.run()
        os.kill(town.pid("coordinator"), signal.SIGSTOP)
        alone = await town.run()
    finally:
        os.kill(town.pid("coordinator"), signal.SIGCONT)
        second.terminate()
        await second.wait()
    assert together == alone == known.undisturbed
