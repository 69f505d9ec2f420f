"""Stories of experiments in sentences."""

from __future__ import annotations

from bus.events.base import Digest, ExperimentId
from bus.events.cycles import (
    Contribution,
    Cycle,
    CycleAbandoned,
    CycleClosed,
    CycleExpired,
    CycleKind,
    CycleOpened,
    LeftOut,
    ModelAveraged,
    UpdateFailed,
    UpdateRejected,
)
from bus.events.experiments import (
    ExperimentAdmitted,
    ExperimentFailed,
    ExperimentRefused,
    ExperimentRequeued,
    ExperimentStarted,
    Failure,
    FailurePhase,
    Origin,
    PauseRequested,
    Strategy,
)
from bus.wire.record import Record
from muster.telling.explain import explained
from support.story import EDGES, Story, X, sealed, submission, update

TRAIN = Cycle(number=1, kind=CycleKind.TRAIN)
NAN = Failure(
    category="egress",
    code="weights.finite",
    message="not finite",
    edge="hospital-c",
    phase=FailurePhase.CHECK,
    trace=("model.py:3 in build", "sklearn/base.py:9 in fit", "ValueError"),
)
TOLD = "not finite (M1407 weights.finite at hospital-c, phase check)"
STEP = "ext step, for the vendor: lower the learning rate (muster errors M1407)."
WHERE = "here: ValueError, from sklearn/base.py:9 in fit, from model.py:3 in build."


def opened(story: Story, cycle: Cycle = TRAIN) -> Record:
    body = CycleOpened(experiment=X, cycle=cycle, cohort=EDGES, quorum=2, deadline=story.now)
    return story.said(body, "coordinator")


def closed(story: Story, *edges: str, left_out: tuple[LeftOut, ...] = ()) -> Record:
    included = tuple(Contribution(edge=edge, update="u", weight=10) for edge in edges)
    body = CycleClosed(
        experiment=X,
        cycle=TRAIN,
        revision=1,
        included=included,
        left_out=left_out,
        strategy=Strategy(name="fedavg"),
        recipients=(),
    )
    return story.said(body, "coordinator")


def averaged(story: Story) -> Record:
    body = ModelAveraged(
        experiment=X, cycle=TRAIN, revision=1, model=sealed("m"), contributors={"a": Digest("d")}, weight=20
    )
    return story.said(body, "aggregator")


def told(*records: Record) -> str:
    return "\n".join(explained(records))


def test_a_cycle_with_a_straggler_and_a_failure() -> None:
    story = Story()
    text = told(
        story.said(submission(), "acme"),
        story.said(ExperimentAdmitted(experiment=X, reasons=("allowed",), rules="r"), "policy_engine"),
        story.said(ExperimentStarted(experiment=X, edges=EDGES), "coordinator"),
        opened(story),
        story.said(update("hospital-a", TRAIN), "hospital-a"),
        story.said(
            UpdateFailed(experiment=X, cycle=TRAIN, trial=1, command="c", failure=NAN, retryable=False), "hospital-c"
        ),
        story.said(update("hospital-b", TRAIN), "hospital-b"),
        closed(story, "hospital-a", "hospital-b", left_out=(LeftOut(edge="hospital-c", failure=NAN),)),
        averaged(story),
        story.said(update("hospital-c", TRAIN), "hospital-c"),
    )
    assert "acme submitted 'test'" in text
    assert "for hospital-a, hospital-b and hospital-c." in text
    assert "Cycle 1 took 5.0 s, with 2 of 3 updates; hospital-b came last, 2.0 s after the first." in text
    assert "Without hospital-c: not finite (weights.finite)." in text
    assert f"Hospital-c could not do it: {TOLD}; trying again would not help." in text
    assert (text.count(WHERE), text.count(STEP)) == (1, 1)
    assert "hospital-c answered 1-train-1 when that was over: recorded, and left out." in text


def test_a_cycle_that_is_given_up_and_the_next_step() -> None:
    story = Story()
    text = told(
        story.said(submission(), "acme"),
        opened(story),
        story.said(CycleExpired(experiment=X, cycle=TRAIN), "coordinator"),
        story.said(UpdateRejected(experiment=X, cycle=TRAIN, edge="hospital-c", failure=NAN), "aggregator"),
        story.said(CycleAbandoned(experiment=X, cycle=TRAIN, reason="1 of 3 updates are usable"), "coordinator"),
        opened(story, TRAIN.model_copy(update={"attempt": 2})),
        story.said(PauseRequested(experiment=X, request="1", reason="lunch"), "acme"),
        story.said(ExperimentFailed(experiment=X, failure=NAN), "coordinator"),
    )
    assert "Cycle 1 was given up: 1 of 3 updates are usable (after 3.0 s)." in text
    assert "The deadline passed." in text
    assert "The aggregator could not use the update of hospital-c: not finite" in text
    assert "acme asked to pause it: lunch." in text
    assert f"It failed after 7.0 s: {TOLD}." in text
    assert text.endswith(f"W{WHERE}\nN{STEP}")


def test_a_refusal() -> None:
    story = Story()
    refused = ExperimentRefused(experiment=X, reasons=("vendor 'acme' is not on the allow-list",), rules="r")
    text = told(story.said(submission(), "acme"), story.said(refused, "policy_engine"))
    assert "The policy engine refused it: vendor 'acme' is not on the allow-list." in text


def test_what_nobody_said_before_is_told_when_a_cycle_is_given_up() -> None:
    story = Story()
    silent = Failure(category="infra", code="cycle.no_answer", message="no answer", edge="hospital-b")
    text = told(
        story.said(submission(), "acme"),
        opened(story),
        story.said(
            CycleAbandoned(
                experiment=X, cycle=TRAIN, reason="nobody", left_out=(LeftOut(edge="hospital-b", failure=silent),)
            ),
            "coordinator",
        ),
    )
    assert "Without hospital-b: no answer (M1502 cycle.no_answer at hospital-b)." in text
    assert "Next step, for the owner: see whether the edge is up" in text


def test_where_a_fork_comes_from() -> None:
    origin = Origin(experiment=ExperimentId("01P"), cycle=2, model=sealed("m"))
    assert "It goes on from cycle 2 of 01P." in told(Story().said(submission(origin=origin), "acme"))
    anew = origin.model_copy(update={"anew": True})
    assert "It averages the updates of cycle 2 of 01P anew." in told(Story().said(submission(origin=anew), "acme"))


def test_who_gives_its_places_back() -> None:
    body = ExperimentRequeued(experiment=X, turn=1, reason="missing hospital-a")
    sentence = "It went back to the queue, so that others have its places: missing hospital-a."
    assert sentence in told(Story().said(body, "coordinator"))
