"""An aggregator with state, or with two passes, may die at any boundary too."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.events.cycles import ModelAveraged
from bus.events.experiments import ExperimentCompleted, Strategy
from support.simulation import Ran, Simulation, simulate

EVERY = 5
"""Which of the boundaries are tried; all of them with fedavg are in ``test_crash_points``."""
STRATEGIES = {
    "fedadam": Strategy(name="fedadam"),
    "krum": Strategy(name="krum", parameters={"f": 0}),
    "scaffold": Strategy(name="scaffold", parameters={"learning_rate": 0.5}),
}


def outcomes(ran: Ran) -> list[ModelAveraged]:
    assert isinstance(ran.end, ExperimentCompleted), str(ran)
    return [record.body for record in ran.history if isinstance(record.body, ModelAveraged)]


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_an_aggregator_that_dies_makes_the_same_models_and_states(name: str, tmp_path: Path) -> None:
    calm, asked = Simulation(0, tmp_path), {"cycles": 2, "strategy": STRATEGIES[name], "framework": "torch"}
    expected = outcomes(simulate(calm, **asked))
    assert any(made.state for made in expected) == (name == "fedadam")
    assert any(made.selected for made in expected) == (name == "krum")
    boundaries = calm.lines["aggregator"].points
    assert boundaries > 10 * EVERY
    for boundary in range(0, boundaries, EVERY):
        ran = simulate(Simulation(0, tmp_path, crash=("aggregator", boundary)), **asked)
        assert any("dies at boundary" in line for line in ran.trace), "nobody died"
        assert outcomes(ran) == expected, str(ran)
        assert not ran.dead_letters
