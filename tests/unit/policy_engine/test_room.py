"""A cycle opens only if what it brings fits, as far as that can be known."""

from __future__ import annotations

import pytest

from bus.events import Event
from bus.events.cycles import Cycle, CycleKind, CycleOpened, ModelAveraged, UpdateSealed
from bus.events.experiments import ExperimentAdmitted, ExperimentRefused, Origin
from bus.events.governance import ExperimentHeld, ExperimentReleased, FederationPaused, FederationResumed, VendorAllowed
from bus.events.weights import S3
from bus.ports import Room
from policy_engine.domain.world import World
from support.story import EDGES, Story, X, registered, sealed, submission, update

MIB = 1024**2
CYCLE = 4 * 10 * MIB
"""Three updates and the outcome, of ten MiB each."""


def opened(number: int, kind: CycleKind = CycleKind.TRAIN) -> CycleOpened:
    cycle = Cycle(number=number, kind=kind)
    return CycleOpened(experiment=X, cycle=cycle, cohort=EDGES, quorum=3, deadline=Story().now)


def averaged(number: int, store: str = "jetstream") -> ModelAveraged:
    model = sealed("model").model_copy(update={"size_bytes": 10 * MIB, "store": store})
    cycle = Cycle(number=number, kind=CycleKind.TRAIN if number else CycleKind.INITIALISE)
    return ModelAveraged(experiment=X, cycle=cycle, revision=1, model=model, contributors={}, weight=1)


class Play:
    def __init__(self, **changes: object) -> None:
        self.world, self.story = World(), Story()
        for edge in EDGES:
            self.hear(registered(edge), edge, "federation")
        self.hear(VendorAllowed(vendor="acme", request="1"), "operator", "federation")
        self.changes = {"cycles": 3, **changes}

    def begun(self) -> Play:
        self.hear(submission(**self.changes), "acme")
        assert isinstance(self.decide(), ExperimentAdmitted)
        self.hear(averaged(0), "aggregator")
        return self

    def hear(self, body: Event, by: str, owner: str = "acme") -> None:
        self.world.fold(self.story.said(body, by, owner))

    def decide(self, used: int | None = None, limit: int = 1000 * MIB) -> Event | None:
        if used is not None:
            self.world.room = Room(used, limit)
        decision = self.world.decide(X, self.story.now)
        if decision is None:
            return None
        self.hear(decision.event, "policy_engine", decision.owner)
        return decision.event


def test_what_does_not_fit_waits_and_says_why() -> None:
    play = Play().begun()
    assert play.decide(1000 * MIB - CYCLE) is None, "just enough"
    held = play.decide(1000 * MIB - CYCLE + 1)
    assert isinstance(held, ExperimentHeld)
    assert held.kinds == ("room",)
    (reason,) = held.reasons
    for part in ("40.0 MiB", "4 bodies of 10.0 MiB", "store.room", "muster purge", "S3", "disk_bytes"):
        assert part in reason
    assert play.decide(1000 * MIB) is None, "it is said once, whatever the figure"
    released = play.decide(500 * MIB)
    assert isinstance(released, ExperimentReleased)
    assert released.reasons == ("there is room for the next cycle",)


def test_the_cycle_after_the_next_is_thought_of_while_one_runs() -> None:
    play = Play().begun()
    play.hear(opened(1), "coordinator")
    assert play.decide(1000 * MIB - 2 * CYCLE) is None
    assert isinstance(play.decide(1000 * MIB - 2 * CYCLE + 1), ExperimentHeld)


def test_nothing_is_kept_back_for_what_only_evaluates() -> None:
    play = Play(cycles=1).begun()
    play.hear(opened(1), "coordinator")
    assert play.decide(1000 * MIB) is None


def test_a_second_pass_over_the_rows_ends_nothing() -> None:
    play = Play(cycles=1).begun()
    play.hear(opened(1, CycleKind.STATISTICS), "coordinator")
    assert isinstance(play.decide(used=1000 * MIB), ExperimentHeld)


def test_what_lies_in_s3_takes_no_room_at_the_broker() -> None:
    play = Play().begun()
    play.hear(averaged(0, S3), "aggregator")
    assert play.decide(1000 * MIB) is None


def test_the_first_models_size_is_known_before_it_is_averaged() -> None:
    play = Play()
    play.hear(submission(**play.changes), "acme")
    play.decide()
    first = update("hospital-a", Cycle(number=0, kind=CycleKind.INITIALISE))
    assert isinstance(first, UpdateSealed)
    assert first.weights is not None
    body = first.weights.model_copy(update={"size_bytes": 10 * MIB})
    play.hear(first.model_copy(update={"weights": body}), "hospital-a")
    assert isinstance(play.decide(1000 * MIB), ExperimentHeld)


def test_others_at_work_are_thought_of() -> None:
    play = Play().begun()
    other = "01Y"
    play.hear(submission(experiment=other, cycles=3), "acme")
    for body in (averaged(0), opened(1)):
        play.hear(body.model_copy(update={"experiment": other}), "coordinator")
    assert isinstance(play.decide(1000 * MIB - 2 * CYCLE + 1), ExperimentHeld), "they bring one cycle, this one another"


def test_a_pause_and_want_of_room_are_two_reasons() -> None:
    play = Play().begun()
    play.hear(FederationPaused(federation="federation", request="1", reason="incident"), "operator", "federation")
    first = play.decide(0)
    assert isinstance(first, ExperimentHeld)
    assert first.kinds == ("pause",)
    both = play.decide(1000 * MIB)
    assert isinstance(both, ExperimentHeld)
    assert both.kinds == ("pause", "room")
    play.hear(FederationResumed(federation="federation", request="2"), "operator", "federation")
    still = play.decide()
    assert isinstance(still, ExperimentHeld)
    assert still.kinds == ("room",)
    assert isinstance(play.decide(0), ExperimentReleased)


def test_without_an_answer_nothing_changes() -> None:
    play = Play().begun()
    assert isinstance(play.decide(1000 * MIB), ExperimentHeld)
    play.world.room = None
    assert play.decide() is None


@pytest.mark.parametrize(("limit", "kind"), [(CYCLE - 1, ExperimentRefused), (CYCLE, ExperimentAdmitted)])
def test_what_can_never_fit_is_refused(limit: int, kind: type[Event]) -> None:
    model = sealed("model").model_copy(update={"size_bytes": 10 * MIB})
    play = Play(origin=Origin(experiment="01P", cycle=0, model=model))
    play.hear(submission(**play.changes), "acme")
    event = play.decide(0, limit)
    assert isinstance(event, kind)
    if isinstance(event, ExperimentRefused):
        assert "in all (store.room)" in event.reasons[0]


def test_a_snapshot_knows_the_need() -> None:
    play = Play().begun()
    again = World()
    again.restore(play.world.dump())
    again.room = Room(1000 * MIB, 1000 * MIB)
    found = again.decide(X, play.story.now)
    assert found is not None
    assert isinstance(found.event, ExperimentHeld)
