"""Whatever lines and processes do, an experiment ends with the model that it would have had."""

from __future__ import annotations

import asyncio
import itertools
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bus.events import Event
from bus.events.cycles import CycleClosed, ModelAveraged, UpdateSealed
from bus.events.experiments import ExperimentCompleted
from coordinator.domain.schedule import schedule
from support.chaos import STORM
from support.simulation import SERVICES, Ran, Simulation, simulate
from support.story import EDGES

SEEDS = 24
CAMPAIGN = int(os.environ.get("MUSTER_SEEDS", "2000"))
CYCLES = 2


@cache
def undisturbed() -> str:
    """Digest of the model when nothing happens."""
    with TemporaryDirectory() as folder:
        end = simulate(Simulation(0, Path(folder)), cycles=CYCLES).end
    assert isinstance(end, ExperimentCompleted)
    return end.model.digest


async def disturb(simulation: Simulation) -> None:
    """Kill and cut, for ever, one after the other."""
    names = [*SERVICES, *EDGES]
    chance = simulation.chance
    while True:
        await asyncio.sleep(chance.expovariate(1 / 40.0))
        name = chance.choice(names)
        if chance.random() < 0.6:
            await simulation.kill(name)
        else:
            await simulation.cut(name, chance.uniform(1.0, 200.0))


def check(ran: Ran) -> None:
    """What must hold, whatever happened."""
    end = ran.end
    assert isinstance(end, ExperimentCompleted), f"{end}\n{ran}"
    assert end.model.digest == undisturbed(), str(ran)
    assert not ran.dead_letters, str(ran)
    subjects = [record.envelope.subject for record in ran.history]
    assert len(set(subjects)) == len(subjects), str(ran)
    # The cycles that count came in the order of the schedule, each with the whole cohort, each with one outcome.
    outcomes = [r.body for r in ran.history if isinstance(r.body, ModelAveraged)]
    expected = [(c.number, c.kind) for c in schedule(CYCLES, passes=1)[:-1]]
    assert [(o.cycle.number, o.cycle.kind) for o in outcomes] == expected, str(ran)
    said = {(str(r.body.cycle), r.actor): r for r in ran.history if isinstance(r.body, UpdateSealed)}
    for closing in (r.body for r in ran.history if isinstance(r.body, CycleClosed)):
        for contribution in closing.included:
            assert said[(str(closing.cycle), contribution.edge)].id == contribution.update
    for record in ran.history:
        assert isinstance(record.body, Event)


@pytest.fixture(autouse=True)
def frequent_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that services that are started again begin with one."""
    monkeypatch.setattr("bus.runtime.deciding.SNAPSHOT_EVERY", 3)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_disturbed_experiments_end_with_the_same_model(seed: int, tmp_path: Path) -> None:
    simulation = Simulation(seed, tmp_path, weather=STORM, flaky=0.05)
    try:
        check(simulate(simulation, disturb, cycles=CYCLES))
    except TimeoutError:
        pytest.fail(f"seed {seed} does not come to an end\n" + "\n".join(simulation.trace[-60:]))


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    runs = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        runs.append(simulate(Simulation(7, folder, weather=STORM), disturb, cycles=CYCLES))
    assert runs[0].trace == runs[1].trace
    times = [[(r.envelope.subject, r.envelope.time) for r in ran.history] for ran in runs]
    assert times[0] == times[1]


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("first", range(0, CAMPAIGN, 50))
def test_campaign(first: int, tmp_path: Path) -> None:
    for seed in itertools.islice(itertools.count(first + 10_000), 50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        test_disturbed_experiments_end_with_the_same_model(seed, folder)
