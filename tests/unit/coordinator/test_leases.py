from __future__ import annotations

from collections.abc import Sequence

from bus.events.principals import EdgeAppeared, EdgeLapsed
from coordinator.domain.evolve import evolve_fleet
from coordinator.domain.leases import Watch
from coordinator.domain.state import Fleet
from support.story import Story

LEASE_S = 9.0


class Fold:
    def __init__(self) -> None:
        self.fleet, self.watch, self.story = Fleet(), Watch(LEASE_S), Story()

    def heard(self, edge: str, valid_s: float = LEASE_S) -> list[str]:
        event = self.watch.heard(edge, valid_s, self.fleet)
        return self._noted([] if event is None else [event])

    def beat(self) -> list[str]:
        return self._noted(self.watch.beat(self.fleet))

    def _noted(self, events: Sequence[EdgeAppeared | EdgeLapsed]) -> list[str]:
        for event in events:
            self.fleet = evolve_fleet(self.fleet, self.story.said(event, "coordinator", "federation"))
        return [f"{e.TYPE.split('.')[1]} {e.edge} {e.turn}" for e in events]


def test_an_edge_appears_lapses_and_returns() -> None:
    fold = Fold()
    assert fold.heard("e1") == ["appeared e1 1"]
    assert fold.heard("e1") == []
    for _ in range(4):
        assert fold.beat() == []
    assert fold.beat() == ["lapsed e1 2"]
    assert fold.beat() == []
    assert fold.heard("e1") == ["appeared e1 3"]


def test_a_sign_of_life_starts_the_count_anew() -> None:
    fold = Fold()
    fold.heard("e1")
    for _ in range(20):
        assert fold.beat() == []
        assert fold.heard("e1") == []


def test_longer_leases_are_waited_for_longer() -> None:
    fold = Fold()
    fold.heard("e1", 10 * LEASE_S)
    for _ in range(31):
        assert fold.beat() == []
    assert fold.beat() == ["lapsed e1 2"]


def test_a_restarted_coordinator_gives_everybody_time_to_speak() -> None:
    fold = Fold()
    fold.fleet = evolve_fleet(fold.fleet, fold.story.said(EdgeAppeared(edge="e1", turn=1), "coordinator", "federation"))
    fold.watch = Watch(LEASE_S)
    for _ in range(4):
        assert fold.beat() == []
    assert fold.beat() == ["lapsed e1 2"]
