"""Every process may die at every boundary between reading, storing, publishing and acknowledging."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bus.events import Event
from bus.events.experiments import ExperimentCompleted
from support.simulation import Ran, Simulation, simulate
from support.spine import SERVICES

PROCESSES = (*SERVICES, "hospital-b")


@cache
def undisturbed() -> tuple[Ran, dict[str, int]]:
    """A run in which nobody dies, and how many boundaries each process passes."""
    with TemporaryDirectory() as folder:
        simulation = Simulation(0, Path(folder))
        ran = simulate(simulation, cycles=1)
    return ran, {name: simulation.lines[name].points for name in PROCESSES}


def said(ran: Ran) -> Counter[tuple[str, str]]:
    """Which events were said, and by whom."""
    found: Counter[tuple[str, str]] = Counter()
    for record in ran.history:
        assert isinstance(record.body, Event)
        found[(record.envelope.subject, record.actor)] += 1
    return found


def dies(name: str, boundary: int, folder: Path) -> None:
    simulation = Simulation(0, folder, crash=(name, boundary))
    ran = simulate(simulation, cycles=1)
    expected = undisturbed()[0]
    assert isinstance(ran.end, ExperimentCompleted), str(ran)
    assert isinstance(expected.end, ExperimentCompleted)
    assert any("dies at boundary" in line for line in ran.trace), "nobody died"
    assert ran.end.model.digest == expected.end.model.digest, str(ran)
    assert said(ran) == said(expected), str(ran)
    assert not ran.dead_letters, str(ran)


@pytest.mark.parametrize("name", PROCESSES)
def test_every_boundary(name: str, tmp_path: Path) -> None:
    boundaries = undisturbed()[1][name]
    assert boundaries > 30
    for boundary in range(boundaries):
        dies(name, boundary, tmp_path)
