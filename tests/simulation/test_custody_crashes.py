"""Who lets weights go, and who removes them, may die at any boundary: the same is gone, and the same is left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bus.events.base import FEDERATION
from bus.events.custody import Keep, KeepingRuled, WeightsPurged, WeightsReleased
from bus.events.experiments import ExperimentCompleted
from bus.runtime.voice import Voice
from bus.wire.topology import StreamName
from support import people
from support.chaos import STORM, Weather
from support.simulation import CALM, Simulation, VirtualClock, simulate_all

EVERY = 4
"""Which of the boundaries are tried; all of them, with nothing released, are in ``test_crash_points``."""
ALL = {"0-statistics", "0-initialise", "1-train", "2-train"}


@dataclass(frozen=True)
class Kept:
    """How it ended."""

    digest: str
    released: frozenset[str]
    left: frozenset[str]
    dead_letters: list[str]
    trace: list[str]
    points: dict[str, int]


def kept(folder: Path, crash: tuple[str, int] | None = None, *, seed: int = 0, weather: Weather = CALM) -> Kept:
    """Two cycles of which only the final model shall stay; the end is when the aggregator has removed it all."""
    simulation = Simulation(seed, folder, weather, crash=crash)
    trace = simulation.trace

    async def main() -> Kept:
        operator = Voice(simulation.broker, people.identity("operator"), VirtualClock())
        await operator.say(KeepingRuled(federation=FEDERATION, keep=Keep.LAST, last=1, request="r"))
        end = (await simulation.experiment(cycles=2))[-1].body
        assert isinstance(end, ExperimentCompleted), simulation.trace
        released: dict[int, set[str]] = {}
        purged: set[int] = set()
        async for record in simulation.follow():
            if isinstance(record.body, WeightsReleased):
                assert record.body.turn not in released
                released[record.body.turn] = {*record.body.updates, *(f"model {s}" for s in record.body.outcomes)}
            elif isinstance(record.body, WeightsPurged):
                assert record.body.turn not in purged
                assert record.body.turn in released
                purged.add(record.body.turn)
            gone = set().union(*released.values()) if released else set()
            if gone >= ALL and purged == released.keys():
                break
        left = simulation.broker.log(StreamName.WEIGHTS).subjects("w.>")
        points = {name: line.points for name, line in simulation.lines.items()}
        return Kept(end.model.digest, frozenset(gone), left, simulation.dead_letters(), trace, points)

    return simulate_all(simulation, main)


@pytest.mark.parametrize("name", ["coordinator", "aggregator"])
def test_who_dies_changes_nothing(name: str, tmp_path: Path) -> None:
    expected = kept(tmp_path)
    assert expected.released == {*ALL, "model 0-statistics", "model 0-initialise", "model 1-train"}
    objects = {subject.split(".")[4] for subject in expected.left}
    assert objects == {"model-2-train-1-1"}, "the final model, and nothing else"
    boundaries = expected.points[name]
    assert boundaries > 10 * EVERY
    for boundary in range(0, boundaries, EVERY):
        found = kept(tmp_path, (name, boundary))
        assert any("dies at boundary" in line for line in found.trace), "nobody died"
        assert (found.digest, found.released, found.left) == (expected.digest, expected.released, expected.left), (
            found.trace
        )
        assert not found.dead_letters


@pytest.mark.parametrize("seed", range(6))
def test_in_a_storm_too(seed: int, tmp_path: Path) -> None:
    expected = kept(tmp_path)
    found = kept(tmp_path, seed=seed, weather=STORM)
    assert (found.digest, found.released) == (expected.digest, expected.released), found.trace
    assert {subject.split(".")[4] for subject in found.left} <= {"model-2-train-1-1", "update-2-train-1-1"}
