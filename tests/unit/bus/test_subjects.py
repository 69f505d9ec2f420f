from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Invalid
from bus.events.cycles import CancelExperiment, Cycle, CycleExpired, CycleKind, Progress
from bus.events.experiments import ExperimentAdmitted
from bus.events.principals import LeaseRenewed
from bus.wire import subjects
from bus.wire.subjects import EventSubject

TOKENS = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


@given(st.builds(EventSubject, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS, st.none() | TOKENS))
def test_event_subjects_round_trip(subject: EventSubject) -> None:
    assert EventSubject.parse(str(subject)) == subject


@pytest.mark.parametrize("bad", ["", "a b", "a.b", "*", ">", "a\r\nPUB x", "ä", "x" * 65])
def test_a_token_cannot_smuggle_anything(bad: str) -> None:
    with pytest.raises(Invalid, match="an edge's name"):
        subjects.token(bad, "an edge's name")
    with pytest.raises(Invalid):
        str(EventSubject("a", "b", bad, "d", "e"))


@pytest.mark.parametrize("bad", ["", "ev.a.b.c.d", "ev.a.b.c.d.e.f.g", "cmd.a.b.c.d.e", "ev"])
def test_what_is_no_event_subject(bad: str) -> None:
    with pytest.raises(Invalid):
        EventSubject.parse(bad)


def test_subjects_of_bodies() -> None:
    cycle = Cycle(number=2, kind=CycleKind.TRAIN, attempt=3)
    cases = [
        (
            ExperimentAdmitted(experiment="X", reasons=(), rules="d"),
            "policy_engine",
            "ev.acme.experiment.X.policy_engine.admitted",
        ),
        (CycleExpired(experiment="X", cycle=cycle), "coordinator", "ev.acme.cycle.X.coordinator.expired.2-train-3"),
        (CancelExperiment(edge="e1", experiment="X", turn=4), "coordinator", "cmd.e1.X.experiment_cancel.4"),
        (LeaseRenewed(holder="e1", incarnation="i", valid_s=1), "e1", "lease.e1"),
        (Progress(edge="e1", experiment="X", cycle=cycle, phase="working"), "e1", "tel.acme.X.e1"),
    ]
    for body, actor, expected in cases:
        assert subjects.of(body, owner="acme", actor=actor) == expected


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("ev.>", "ev.a", True),
        ("ev.>", "ev", False),
        ("ev.*.c", "ev.b.c", True),
        ("ev.*.c", "ev.b.c.d", False),
        ("ev.*", "ev.b.c", False),
        ("ev.b.>", "ev.a.c", False),
        (">", "a", True),
        ("a.b", "a.b", True),
        ("a.b.c", "a.b", False),
    ],
)
def test_matching(pattern: str, subject: str, expected: bool) -> None:
    assert subjects.matches(pattern, subject) is expected


def test_filters_select_what_they_name() -> None:
    closed = "ev.acme.cycle.X.coordinator.closed.1-train-1-1"
    assert subjects.matches(subjects.history("X"), closed)
    assert subjects.matches(subjects.strand("acme", "X", "coordinator"), closed)
    assert not subjects.matches(subjects.strand("acme", "X", "aggregator"), closed)
    assert subjects.matches(subjects.said(CycleExpired), "ev.acme.cycle.X.coordinator.expired.1-train-1")
    assert subjects.matches(subjects.said(ExperimentAdmitted), "ev.acme.experiment.X.policy_engine.admitted")
    assert not subjects.matches(subjects.said(CycleExpired), closed)
