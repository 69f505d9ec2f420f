from __future__ import annotations

import pytest

from bus.events import Event
from bus.events.datasets import Split
from bus.events.experiments import ExperimentAdmitted, ExperimentCompleted, ExperimentRefused, Strategy, TaskData
from bus.events.governance import (
    ExperimentHeld,
    ExperimentReleased,
    FederationPaused,
    FederationResumed,
    VendorAllowed,
    VendorDisallowed,
)
from bus.events.weights import Encoding, SealedObject
from policy_engine.domain.world import World
from support.story import EDGES, Story, X, registered, submission


class Play:
    def __init__(self, *, allowed: bool = True, edges: tuple[str, ...] = EDGES, **dataset: object) -> None:
        self.world, self.story = World(), Story()
        for edge in edges:
            self.hear(registered(edge, **dataset), edge, "federation")  # type: ignore[arg-type]
        if allowed:
            self.hear(VendorAllowed(vendor="acme", request="1"), "operator", "federation")

    def hear(self, body: Event, by: str, owner: str = "acme") -> None:
        self.world.fold(self.story.said(body, by, owner))

    def decide(self) -> Event | None:
        decision = self.world.decide(X, self.story.now)
        if decision is None:
            return None
        self.hear(decision.event, "policy_engine", decision.owner)
        return decision.event

    def submit(self, **changes: object) -> Event | None:
        self.hear(submission(**changes), "acme")
        return self.decide()


def test_a_proper_submission_is_admitted_once_with_reasons() -> None:
    play = Play()
    event = play.submit()
    assert isinstance(event, ExperimentAdmitted)
    assert any("allow-list" in reason for reason in event.reasons)
    assert event.rules == play.world.rules.digest
    assert play.decide() is None


DATA = submission().data
CLASSES = {"train": Split(rows=100, classes={"0": 60, "1": 40})}


def taking(**split: object) -> TaskData:
    """The data of a submission that takes so many rows at one edge."""
    return DATA.model_copy(update={"taken": {"hospital-a": Split.model_validate(split)}})


REFUSALS = [
    ({"allowed": False}, {}, "'acme' is not on the allow-list"),
    ({"edges": ()}, {}, "no edge holds a dataset 'cancer'"),
    ({"edges": EDGES[:1]}, {}, "sealed for hospital-b, hospital-c"),
    ({}, {"recipients": ()}, "sealed for no edge"),
    ({}, {"quorum": 4}, "quorum of 4"),
    ({}, {"quorum": 0}, "quorum of 0"),
    ({}, {"cycles": 0}, "at least 1"),
    ({}, {"encoding": Encoding(values="int3")}, "did you mean 'int8'"),
    ({}, {"encoding": Encoding(keep=0.1), "strategy": Strategy(name="fedmedian")}, "element by element"),
    ({}, {"deadline_s": 0.0}, "above 0"),
    ({}, {"deadline_s": float("nan")}, "above 0"),
    ({}, {"strategy": Strategy(name="fedmagic")}, "'fedmagic' is not known; did you mean"),
    ({}, {"data": DATA.model_copy(update={"features": ("radius", "shoe size")})}, "no column 'shoe size'"),
    ({}, {"data": DATA.model_copy(update={"target": "fate"})}, "no column 'fate'"),
    (
        {"features_modifiable": False},
        {"data": DATA.model_copy(update={"derived": "[]"})},
        "'hospital-a' does not permit features that are made from the columns",
    ),
    ({"category": "tabular_regression"}, {}, "is for tabular_regression"),
    ({}, {"data": taking(rows=101)}, "101 training rows are to be taken at 'hospital-a', which has 100"),
    (
        {},
        {"data": taking(rows=4)},
        "4 training rows are to be taken at 'hospital-a', which has 100 and permits no fewer",
    ),
    ({"least_taken": 60}, {"data": taking(rows=50)}, "permits no fewer than 60"),
    ({}, {"data": taking(rows=50, classes={"0": 50})}, "at 'hospital-a' do not add up by its classes"),
    ({"splits": CLASSES}, {"data": taking(rows=50)}, "do not add up by its classes"),
    ({"splits": CLASSES}, {"data": taking(rows=50, classes={"0": 20, "1": 20})}, "do not add up by its classes"),
    ({"splits": CLASSES}, {"data": taking(rows=50, classes={"0": 20, "2": 30})}, "30 training rows of '2' are to be"),
    ({"splits": CLASSES}, {"data": taking(rows=50, classes={"0": 51, "1": -1})}, "-1 training rows of '1' are to be"),
]


@pytest.mark.parametrize(("setting", "changes", "reason"), REFUSALS)
def test_refusals_name_what_was_wrong(setting: dict, changes: dict, reason: str) -> None:
    event = Play(**setting).submit(**changes)
    assert isinstance(event, ExperimentRefused)
    assert any(reason in found for found in event.reasons), event.reasons


def test_all_objections_are_listed() -> None:
    event = Play(allowed=False).submit(quorum=9, cycles=0)
    assert isinstance(event, ExperimentRefused)
    assert len(event.reasons) == 3


def test_a_vendor_that_was_disallowed_is_refused_and_may_come_back() -> None:
    play = Play()
    play.hear(VendorDisallowed(vendor="acme", request="2"), "operator", "federation")
    assert isinstance(play.submit(), ExperimentRefused)
    play.hear(VendorAllowed(vendor="acme", request="3"), "operator", "federation")
    assert play.world.rules.allowed == {"acme"}


def test_an_answer_depends_on_what_held_when_it_was_asked_for() -> None:
    play = Play()
    play.hear(submission(), "acme")
    play.hear(VendorDisallowed(vendor="acme", request="2"), "operator", "federation")
    assert isinstance(play.decide(), ExperimentAdmitted)


def test_global_pause_holds_everything_that_runs_and_releases_it() -> None:
    play = Play()
    play.submit()
    play.hear(FederationPaused(federation="federation", request="1", reason="incident"), "operator", "federation")
    held = play.decide()
    assert isinstance(held, ExperimentHeld)
    assert held.reasons == ("the federation is paused: incident",)
    assert play.decide() is None
    play.hear(FederationResumed(federation="federation", request="2"), "operator", "federation")
    assert isinstance(play.decide(), ExperimentReleased)
    assert play.decide() is None


def test_what_is_over_is_left_alone() -> None:
    play = Play()
    play.submit()
    model = SealedObject(address="a", digest="d", size_bytes=1, chunk_bytes=1)
    play.hear(ExperimentCompleted(experiment=X, model=model), "coordinator")
    play.hear(FederationPaused(federation="federation", request="1"), "operator", "federation")
    assert play.decide() is None
    assert play.world.open() == []
