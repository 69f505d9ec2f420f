"""What scores decide is decided once and in the same way, whoever dies or is cut off, and whenever."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bus.events import Event
from bus.events.callbacks import (
    Callbacks,
    EarlyStopping,
    ModelChosen,
    Monitor,
    RateReduced,
    ReduceOnPlateau,
    StoppedEarly,
)
from bus.events.experiments import ExperimentCompleted
from muster.proof.decisions import redecided
from simulation.test_simulation import disturb
from support.chaos import STORM
from support.simulation import Ran, Simulation, simulate

EVERY = 15
"""Which of the coordinator's boundaries are tried."""
SEEDS = 4
LOSS = Monitor(split="validation", name="log_loss", higher=False)
ASKED: dict[str, Any] = {
    "cycles": 9,
    "callbacks": Callbacks(
        early_stopping=EarlyStopping(monitor=LOSS, patience=2),
        reduce_on_plateau=ReduceOnPlateau(monitor=LOSS, factor=0.5, patience=1, floor=0.1),
        best=LOSS,
    ),
}


def decided(ran: Ran) -> list[Event]:
    """What scores led to, and the end; said once each."""
    assert isinstance(ran.end, ExperimentCompleted), str(ran)
    assert all(each.equal for each in redecided(ran.history)), str(ran)
    kinds = (StoppedEarly, RateReduced, ModelChosen, ExperimentCompleted)
    return [record.body for record in ran.history if isinstance(record.body, kinds)]


@cache
def undisturbed() -> tuple[Event, ...]:
    with TemporaryDirectory() as folder:
        return tuple(decided(simulate(Simulation(0, Path(folder)), **ASKED)))


@pytest.fixture(autouse=True)
def frequent_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that services that are started again begin with one."""
    monkeypatch.setattr("bus.runtime.deciding.SNAPSHOT_EVERY", 3)


def same(found: list[Event]) -> bool:
    """Whether all is as without any disturbance; where a model lies says which attempt at its cycle succeeded."""
    return [_bare(event) for event in found] == [_bare(event) for event in undisturbed()]


def _bare(event: Event) -> tuple[str, dict[str, Any]]:
    content = event.model_dump(exclude={"model"})
    return event.TYPE, {**content, "model": getattr(getattr(event, "model", None), "digest", None)}


def test_it_ends_early_with_the_best_model() -> None:
    reduced, stopped, chosen, end = undisturbed()
    assert isinstance(reduced, RateReduced)
    assert isinstance(stopped, StoppedEarly)
    assert isinstance(chosen, ModelChosen)
    assert isinstance(end, ExperimentCompleted)
    assert (reduced.cycle, stopped.cycle, chosen.cycle) == (4, 5, 2)
    assert end.model.digest == chosen.model.digest


def test_a_coordinator_that_dies_anywhere_decides_the_same(tmp_path: Path) -> None:
    calm = Simulation(0, tmp_path)
    assert same(decided(simulate(calm, **ASKED)))
    boundaries = calm.lines["coordinator"].points
    assert boundaries > 5 * EVERY
    for boundary in range(0, boundaries, EVERY):
        ran = simulate(Simulation(0, tmp_path, crash=("coordinator", boundary)), **ASKED)
        assert any("dies at boundary" in line for line in ran.trace), "nobody died"
        assert same(decided(ran)), str(ran)
        assert not ran.dead_letters


@pytest.mark.parametrize("seed", range(SEEDS))
def test_disturbed_experiments_decide_the_same(seed: int, tmp_path: Path) -> None:
    ran = simulate(Simulation(seed, tmp_path, weather=STORM, flaky=0.05), disturb, **ASKED)
    assert same(decided(ran)), str(ran)
    assert not ran.dead_letters
