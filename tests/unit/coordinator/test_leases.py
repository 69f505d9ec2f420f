from __future__ import annotations

from bus.events.principals import EdgeAppeared
from coordinator.domain.evolve import evolve_fleet
from coordinator.domain.leases import Watch
from coordinator.domain.state import Fleet
from support.story import Story

LEASE_S = 9.0


class Fold:
    def __init__(self) -> None:
        self.fleet, self.watch, self.story = Fleet(), Watch(LEASE_S), Story()

    def noted(self) -> list[str]:
        events = self.watch.decide(self.fleet)
        for event in events:
            self.fleet = evolve_fleet(self.fleet, self.story.said(event, "coordinator", "federation"))
        return [f"{e.TYPE.split('.')[1]} {e.edge} {e.turn}" for e in events]


def test_an_edge_appears_lapses_and_returns() -> None:
    fold = Fold()
    fold.watch.heard("e1", LEASE_S)
    assert fold.noted() == ["appeared e1 1"]
    assert fold.noted() == []
    for _ in range(4):
        fold.watch.beat(fold.fleet)
        assert fold.noted() == []
    fold.watch.beat(fold.fleet)
    assert fold.noted() == ["lapsed e1 2"]
    fold.watch.beat(fold.fleet)
    assert fold.noted() == []
    fold.watch.heard("e1", LEASE_S)
    assert fold.noted() == ["appeared e1 3"]


def test_a_sign_of_life_starts_the_count_anew() -> None:
    fold = Fold()
    fold.watch.heard("e1", LEASE_S)
    fold.noted()
    for _ in range(20):
        fold.watch.beat(fold.fleet)
        fold.watch.heard("e1", LEASE_S)
        assert fold.noted() == []


def test_longer_leases_are_waited_for_longer() -> None:
    fold = Fold()
    fold.watch.heard("e1", 10 * LEASE_S)
    fold.noted()
    for _ in range(31):
        fold.watch.beat(fold.fleet)
        assert fold.noted() == []
    fold.watch.beat(fold.fleet)
    assert fold.noted() == ["lapsed e1 2"]


def test_a_restarted_coordinator_gives_everybody_time_to_speak() -> None:
    fold = Fold()
    fold.fleet = evolve_fleet(fold.fleet, fold.story.said(EdgeAppeared(edge="e1", turn=1), "coordinator", "federation"))
    fold.watch = Watch(LEASE_S)
    for _ in range(4):
        fold.watch.beat(fold.fleet)
        assert fold.noted() == []
    fold.watch.beat(fold.fleet)
    assert fold.noted() == ["lapsed e1 2"]
