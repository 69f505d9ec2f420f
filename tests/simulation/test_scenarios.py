"""Incidents with names, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from bus.events import Event
from bus.events.base import ExperimentId
from bus.events.cycles import CycleClosed, CycleExpired, CycleOpened, ModelAveraged, UpdateSealed
from bus.events.experiments import (
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentPaused,
    ExperimentStarted,
    ExperimentStopped,
    PauseRequested,
    ResumeRequested,
    StopRequested,
)
from bus.wire.record import Record
from bus.wire.topology import StreamName
from support.chaos import STORM
from support.simulation import Ran, Simulation, simulate, simulate_all
from support.story import EDGES, X


def said(ran: Ran) -> Counter[tuple[str, str, str]]:
    """How often what was said by whom."""
    found: Counter[tuple[str, str, str]] = Counter()
    for record in ran.history:
        assert isinstance(record.body, Event)
        found[(record.actor, record.body.TYPE, record.body.key or "")] += 1
    return found


def calm(folder: Path, **changes: Any) -> Ran:
    """The same, undisturbed."""
    (folder / "calm").mkdir()
    return simulate(Simulation(1, folder / "calm"), **changes)


def times(ran: Ran, kind: type[Event]) -> list[Record]:
    return [record for record in ran.history if isinstance(record.body, kind)]


def test_six_minutes_without_a_line_in_mid_upload_cost_nothing_but_time(tmp_path: Path) -> None:
    async def disturb(simulation: Simulation) -> None:
        while not any("put w.acme.hospital-b" in line for line in simulation.trace):
            await asyncio.sleep(0.001)
        await simulation.cut("hospital-b", 360.0)

    simulation = Simulation(1, tmp_path, tell_puts=True)
    ran = simulate(simulation, disturb, deadline_s=900.0)
    undisturbed = calm(tmp_path, deadline_s=900.0)
    assert said(ran) == said(undisturbed)
    assert ran.end.model.digest == undisturbed.end.model.digest  # type: ignore[union-attr]
    longer = ran.history[-1].stored_at - undisturbed.history[-1].stored_at
    assert longer.total_seconds() > 200


def test_clocks_an_hour_off_change_nothing(tmp_path: Path) -> None:
    hour = 3600.0
    ahead = {"coordinator": hour, "aggregator": -hour, "hospital-a": -hour, "hospital-b": hour, "hospital-c": 24 * hour}
    ran = simulate(Simulation(1, tmp_path, ahead_s=ahead), deadline_s=100.0)
    undisturbed = calm(tmp_path, deadline_s=100.0)
    assert said(ran) == said(undisturbed)
    assert ran.end.model.digest == undisturbed.end.model.digest  # type: ignore[union-attr]
    opened = times(ran, CycleOpened)[0]
    assert opened.envelope.time - opened.stored_at > timedelta(minutes=59), "the coordinator's clock was right"


def test_a_straggler_is_left_out_recorded_and_welcome_again(tmp_path: Path) -> None:
    async def disturb(simulation: Simulation) -> None:
        async for record in simulation.follow():
            if isinstance(record.body, CycleOpened) and record.body.cycle.kind == "train":
                break
        await simulation.cut("hospital-c", 200.0)

    ran = simulate(Simulation(2, tmp_path), disturb, cycles=8, quorum=2, deadline_s=120.0)
    assert isinstance(ran.end, ExperimentCompleted)
    closings = [record.body for record in times(ran, CycleClosed)]
    without = [c for c in closings if isinstance(c, CycleClosed) and "hospital-c" not in {i.edge for i in c.included}]
    assert without
    assert {o.failure.code for c in without for o in c.left_out} <= {"cycle.no_answer"}
    assert times(ran, CycleExpired)
    assert {i.edge for i in closings[-1].included} == set(EDGES), "it was not welcome again"  # type: ignore[union-attr]
    late = [r for r in times(ran, UpdateSealed) if r.actor == "hospital-c"]
    assert late


def test_without_a_quorum_a_cycle_is_tried_again_and_then_the_experiment_fails(tmp_path: Path) -> None:
    async def disturb(simulation: Simulation) -> None:
        await simulation.heard(ExperimentStarted)
        await simulation.cut("hospital-a", 3 * 3600.0)

    ran = simulate(Simulation(3, tmp_path), disturb, deadline_s=100.0)
    # The edge lapses before the last attempt, so what remains is to wait for it: it comes back, and the run goes on.
    assert isinstance(ran.end, ExperimentCompleted | ExperimentFailed)
    assert any(record.body.TYPE == "cycle.abandoned" for record in ran.history)


def test_two_coordinators_do_no_harm_and_one_is_enough(tmp_path: Path) -> None:
    simulation = Simulation(4, tmp_path, weather=STORM)

    async def main() -> list[Record]:
        simulation.start("coordinator-2", "coordinator")
        running = asyncio.ensure_future(simulation.experiment(cycles=3))
        await simulation.heard(ModelAveraged)
        await simulation.kill("coordinator")
        await simulation.kill("coordinator-2", "coordinator")
        return await running

    ran = Ran(simulate_all(simulation, main), simulation.trace, simulation.dead_letters())
    undisturbed = calm(tmp_path, cycles=3)
    assert said(ran) == said(undisturbed), str(ran)
    assert ran.end.model.digest == undisturbed.end.model.digest  # type: ignore[union-attr]
    assert not ran.dead_letters


def test_every_service_twice(tmp_path: Path) -> None:
    simulation = Simulation(5, tmp_path, weather=STORM)

    async def main() -> list[Record]:
        for name in ("coordinator", "aggregator", "policy_engine"):
            simulation.start(f"{name}-2", name)
        return await simulation.experiment()

    ran = Ran(simulate_all(simulation, main), simulation.trace, simulation.dead_letters())
    undisturbed = calm(tmp_path)
    assert said(ran) == said(undisturbed), str(ran)
    assert ran.end.model.digest == undisturbed.end.model.digest  # type: ignore[union-attr]


def test_a_run_that_is_paused_and_stopped_ends_like_one_that_is_not(tmp_path: Path) -> None:
    simulation = Simulation(6, tmp_path, weather=STORM)

    async def main() -> list[Record]:
        running = asyncio.ensure_future(simulation.experiment(cycles=4))
        await simulation.heard(ModelAveraged)
        await simulation.say(PauseRequested(experiment=X, request="1"), "acme")
        await simulation.heard(ExperimentPaused)
        await asyncio.sleep(3600.0)
        await simulation.say(ResumeRequested(experiment=X, request="2"), "acme")
        await simulation.say(StopRequested(experiment=X, request="3"), "acme")
        await simulation.heard(ExperimentStopped)
        await simulation.kill("coordinator")
        await simulation.say(ResumeRequested(experiment=X, request="4"), "acme")
        return await running

    history = simulate_all(simulation, main)
    end = history[-1].body
    assert isinstance(end, ExperimentCompleted)
    undisturbed = calm(tmp_path, cycles=4).end
    assert isinstance(undisturbed, ExperimentCompleted)
    assert end.model.digest == undisturbed.model.digest


def test_many_experiments_share_the_edges(tmp_path: Path) -> None:
    simulation = Simulation(7, tmp_path, weather=STORM)
    vendors = {f"01{n}": ("acme", "globex")[n % 3 == 2] for n in range(6)}

    async def main() -> list[list[Record]]:
        await simulation.allow("globex")
        runs = (
            simulation.experiment(vendor=vendor, experiment=ExperimentId(name), cycles=1)
            for name, vendor in vendors.items()
        )
        return await asyncio.gather(*runs)

    histories = simulate_all(simulation, main, limit_s=12 * 3600)
    ends = [history[-1].body for history in histories]
    assert all(isinstance(end, ExperimentCompleted) for end in ends)
    assert len({end.model.digest for end in ends if isinstance(end, ExperimentCompleted)}) == 1
    assert _most_at_once(histories) == 2
    waited = [
        s for s in simulation.broker.log(StreamName.TELEMETRY).messages if s and ".coordinator" in s.message.subject
    ]
    assert waited, "nobody was told of the queue"


def _most_at_once(histories: list[list[Record]]) -> int:
    changes: list[tuple[Any, int]] = []
    for history in histories:
        started = next(record for record in history if isinstance(record.body, ExperimentStarted))
        changes += [(started.sequence, 1), (history[-1].sequence, -1)]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most
