"""Failures in lines of a log and in JSON."""

from __future__ import annotations

from bus.events.cycles import Cycle, CycleKind, CycleOpened, UpdateFailed
from bus.events.experiments import ExperimentFailed, Failure, FailurePhase
from muster.telling import failures
from muster.telling.follow import _details
from muster.telling.story import told
from support.story import EDGES, Story, X
from training.errors import Phase

CYCLE = Cycle(number=1, kind=CycleKind.TRAIN)
TRACE = ("training/worker/tasks.py:9 in do", "...", "a.py:1 in a", "b.py:2 in b", "model.py:5 in build", "KeyError")
FAILED = Failure(
    category="model",
    code="model.failed",
    message="the model's code failed: KeyError: 3.",
    edge="hospital-a",
    phase=FailurePhase.TRAIN,
    trace=TRACE,
)
LINE = (
    "the model's code failed: KeyError: 3 (M1113 model.failed at hospital-a, phase train); "
    "KeyError, from model.py:5 in build, from b.py:2 in b, from a.py:1 in a; "
    "next step, for the vendor: try the model on rows"
)


def test_a_line_of_the_log_says_all_of_it() -> None:
    story = Story()
    body = UpdateFailed(experiment=X, cycle=CYCLE, trial=1, command="c", failure=FAILED, retryable=False)
    assert LINE in told(story.said(body, "hospital-a")).text
    assert LINE in told(story.said(ExperimentFailed(experiment=X, failure=FAILED), "coordinator")).text


def test_json_says_all_of_it() -> None:
    story = Story()
    (fact,) = told(story.said(ExperimentFailed(experiment=X, failure=FAILED), "coordinator")).facts["failures"]
    assert (fact["number"], fact["code"], fact["edge"], fact["phase"]) == (
        *("M1113", "model.failed"),
        *("hospital-a", "train"),
    )
    assert fact["trace"] == list(TRACE)
    assert fact["who"] == "vendor"
    assert fact["step"]
    details = _details(FAILED)
    assert details["trace"] == "\n".join(TRACE)
    assert (details["number"], details["phase"], details["failure"]) == ("M1113", "train", "model.failed")


def test_events_without_failures_have_none() -> None:
    story = Story()
    body = CycleOpened(experiment=X, cycle=CYCLE, cohort=EDGES, quorum=2, deadline=story.now)
    assert "failures" not in told(story.said(body, "coordinator")).facts


def test_failures_of_other_releases_are_told_too() -> None:
    old = Failure.model_validate({"category": "infra", "code": "cycle.no_answer", "message": "m", "edge": "hospital-a"})
    assert failures.told(old) == "m (M1502 cycle.no_answer at hospital-a)"
    new = Failure(category="resource", code="resource.gpu", message="m")
    assert failures.told(new) == "m (M9002 resource.gpu)"
    assert failures.step(new) == "next step, for the vendor: raise the limits in the plan, or ask for less per cycle"
    assert failures.facts(new)["number"] == "M9002"
    assert failures.trace(new) == ""


def test_a_short_trace_shows_the_model_file() -> None:
    deep = FAILED.model_copy(update={"trace": ("x.py:1 in x", "model.py:5 in build", *TRACE[2:4], "c.py:3 in c", "E")})
    assert failures.trace(deep) == "E, from c.py:3 in c, from b.py:2 in b, from model.py:5 in build"
    assert failures.trace(FAILED.model_copy(update={"trace": ("E",)})) == "E"


def test_phases_of_the_bus_hold_those_of_a_training() -> None:
    assert {phase.value for phase in Phase} <= {phase.value for phase in FailurePhase}
