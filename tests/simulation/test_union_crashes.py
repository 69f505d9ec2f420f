"""An aggregator or an edge that dies while members are joined leads to the same bytes, with every event once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bus.events.cycles import CycleKind, ModelAveraged
from bus.events.experiments import ExperimentCompleted, Limits, Strategy
from support.simulation import ROWS, Bench, Ran, Simulation, simulate

EVERY = 7
"""Which of the boundaries are tried; all of them with one layout for all are in ``test_crash_points``."""
CHANGES = {
    "cycles": 2,
    "strategy": Strategy(name="fedavgm"),
    "limits": Limits(memory_bytes=1, cpu_s=1, wall_s=1, disk_bytes=10**8, processes=1),
}


@pytest.fixture(autouse=True)
def foresters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that add trees, each edge another number, and learn a number."""

    def learned(
        self: Bench, kind: CycleKind, received: np.ndarray, _factor: float
    ) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        if kind is CycleKind.STATISTICS:
            return {"sum": np.full(3, ROWS[self.name], np.float64)}, {"sum": "sum"}
        first = kind is CycleKind.INITIALISE
        trees = np.full((0 if first else ROWS[self.name] // 10, 20_000), ROWS[self.name], np.float64)
        w = np.zeros(5, np.float32) if first else received + np.float32(ROWS[self.name] / 7)
        return {"trees": trees, "w": w}, {"trees": "union", "w": "mean"}

    monkeypatch.setattr(Bench, "_learned", learned)


def outcomes(ran: Ran) -> list[ModelAveraged]:
    assert isinstance(ran.end, ExperimentCompleted), str(ran)
    return [record.body for record in ran.history if isinstance(record.body, ModelAveraged)]


@pytest.mark.parametrize("name", ["aggregator", "hospital-b"])
def test_whoever_dies_the_same_models_are_made(name: str, tmp_path: Path) -> None:
    calm = Simulation(0, tmp_path)
    expected = outcomes(simulate(calm, **CHANGES))
    trees = {edge: rows // 10 for edge, rows in ROWS.items()}
    assert [made.members for made in expected][-2:] == [{"members": trees}] * 2
    assert expected[-1].model.members == {"members": 2 * sum(trees.values())}
    boundaries = calm.lines[name].points
    assert boundaries > 3 * EVERY
    for boundary in range(0, boundaries, EVERY):
        ran = simulate(Simulation(0, tmp_path, crash=(name, boundary)), **CHANGES)
        assert any("dies at boundary" in line for line in ran.trace), "nobody died"
        assert [(m.model, m.state, m.members) for m in outcomes(ran)] == [
            (m.model, m.state, m.members) for m in expected
        ], str(ran)
        subjects = [record.envelope.subject for record in ran.history]
        assert len(set(subjects)) == len(subjects)
        assert not ran.dead_letters
