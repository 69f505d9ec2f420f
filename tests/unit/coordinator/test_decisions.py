"""The coordinator's decisions, told as stories on the pure domain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events import Event
from bus.events.base import PrincipalId
from bus.events.cycles import (
    CycleAbandoned,
    CycleClosed,
    CycleExpired,
    CycleOpened,
    ModelFailed,
    RunCycle,
    UpdateFailed,
    UpdateRejected,
)
from bus.events.datasets import Split
from bus.events.experiments import (
    AbortRequested,
    ExperimentAborted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentPaused,
    ExperimentResumed,
    ExperimentStarted,
    ExperimentStopped,
    PauseRequested,
    ResumeRequested,
    StopRequested,
)
from bus.events.governance import ExperimentHeld, ExperimentReleased
from bus.events.principals import EdgeAppeared, EdgeLapsed
from coordinator.domain.decide import MAX_ATTEMPTS, blocked
from coordinator.domain.evolve import MAX_TRIALS
from coordinator.domain.orders import orders
from coordinator.domain.state import Phase
from coordinator.domain.world import World
from support.play import FAILURE, Play
from support.story import EDGES, ROWS, Story, X, averaged, failed, submission, update


def test_an_undisturbed_experiment() -> None:
    play = Play()
    cycles = [play.cycle() for _ in range(5)]
    last = play.settle()
    assert [str(c.cycle) for c in cycles] == [
        "0-statistics-1",
        "0-initialise-1",
        "1-train-1",
        "2-train-1",
        "2-evaluate-1",
    ]
    assert [len(c.cohort) for c in cycles] == [3, 1, 3, 3, 3]
    assert isinstance(last, ExperimentCompleted)
    assert last.model.digest == "sha256:model-2-train-1"
    assert play.experiment.phase is Phase.COMPLETED
    assert isinstance(play.decided[0], ExperimentStarted)


def test_each_cycle_starts_from_the_outcome_before() -> None:
    play = Play()
    models = [play.cycle().model for _ in range(5)]
    assert [m and m.digest for m in models] == [
        None,
        "sha256:model-0-statistics-1",
        "sha256:model-0-initialise-1",
        "sha256:model-1-train-1",
        "sha256:model-2-train-1",
    ]


def test_nothing_is_decided_before_admission() -> None:
    world, story = World(), Story()
    world.fold(story.said(submission(), "acme"))
    assert world.decide(X, story.now) is None


@pytest.mark.parametrize(("live", "quorum", "starts"), [(EDGES[:2], None, False), (EDGES[:2], 2, True), ((), 1, False)])
def test_it_starts_when_the_quorum_is_live(live: tuple[str, ...], quorum: int | None, starts: bool) -> None:
    play = Play(live=live, quorum=quorum)
    event = play.settle()
    assert isinstance(event, CycleOpened) is starts
    reason = blocked(play.experiment, play.world.fleet)
    assert (reason is None) is starts
    if not starts:
        assert reason is not None
        assert "hospital-c" in reason
        assert "waiting for edges" in reason


def test_an_edge_that_lapsed_is_not_in_the_next_cohort() -> None:
    play = Play(quorum=2)
    play.cycle()
    play.hear(EdgeLapsed(edge="hospital-b", turn=2), "coordinator", "federation")
    assert play.until("train").cohort == ("hospital-a", "hospital-c")


def test_recipients_can_open_the_outcome() -> None:
    play = Play()
    play.answer(play.opened())
    statistics = play.settle()
    play.average()
    play.answer(play.opened())
    model = play.settle()
    assert isinstance(statistics, CycleClosed)
    assert isinstance(model, CycleClosed)
    assert statistics.recipients == (*EDGES, "aggregator")
    assert model.recipients == (*EDGES, "aggregator", "acme")


@given(st.permutations(EDGES))
def test_the_order_of_answers_changes_nothing(order: list[str]) -> None:
    play = Play()
    opened = play.opened()
    play.answer(opened, *order)
    closed = play.settle()
    assert isinstance(closed, CycleClosed)
    assert [c.edge for c in closed.included] == sorted(EDGES)


def test_it_waits_for_the_last_edge_until_the_deadline() -> None:
    play = Play(quorum=2)
    opened = play.until("train")
    play.answer(opened, *EDGES[:2])
    assert play.settle() is None
    play.story.now = opened.deadline
    assert isinstance(play.decide(), CycleExpired)
    closed = play.decide()
    assert isinstance(closed, CycleClosed)
    assert [c.edge for c in closed.included] == list(EDGES[:2])
    assert [(o.edge, o.failure.code) for o in closed.left_out] == [("hospital-c", "cycle.no_answer")]


def test_late_updates_do_not_count() -> None:
    play = Play(quorum=2)
    opened = play.until("train")
    play.answer(opened, *EDGES[:2])
    play.story.now = opened.deadline
    play.settle()
    before = play.experiment
    play.answer(opened, "hospital-c")
    assert play.experiment == before
    play.average()
    following = play.opened()
    play.answer(opened, "hospital-c")
    assert play.experiment.cycle is not None
    assert play.experiment.cycle.cycle == following.cycle
    assert play.experiment.cycle.answers == {}


def test_without_quorum_a_cycle_is_tried_again_and_then_fails() -> None:
    play = Play()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        opened = play.opened()
        assert opened.cycle.attempt == attempt
        play.answer(opened, "hospital-a")
        play.story.now = opened.deadline
        assert isinstance(play.decide(), CycleExpired)
        assert isinstance(play.decide(), CycleAbandoned)
    last = play.settle()
    assert isinstance(last, ExperimentFailed)
    assert last.failure.code == "cycle.quorum"
    assert "1 of 3" in last.failure.message


def test_an_edge_may_try_again() -> None:
    play = Play()
    opened = play.opened()
    play.answer(opened, *EDGES[:2])
    play.hear(failed("hospital-c", opened.cycle, 1), "hospital-c")
    assert play.settle() is None
    [again] = orders(play.experiment, play.story.now)
    assert isinstance(again, RunCycle)
    assert (again.edge, again.trial) == ("hospital-c", 2)
    play.answer(opened, "hospital-c")
    closed = play.settle()
    assert isinstance(closed, CycleClosed)
    assert len(closed.included) == 3


def test_an_edge_that_keeps_failing_is_left_out() -> None:
    play = Play(quorum=2)
    opened = play.until("train")
    play.answer(opened, *EDGES[:2])
    for trial in range(1, MAX_TRIALS + 1):
        play.hear(failed("hospital-c", opened.cycle, trial), "hospital-c")
    closed = play.settle()
    assert isinstance(closed, CycleClosed)
    assert [(o.edge, o.failure.message) for o in closed.left_out] == [("hospital-c", "it broke")]


def test_broken_code_fails_at_once_with_its_own_reason() -> None:
    play = Play()
    opened = play.opened()
    for edge in EDGES:
        play.hear(failed(edge, opened.cycle, retryable=False, category="model"), edge)
    last = play.settle()
    assert isinstance(last, ExperimentFailed)
    assert (last.failure.category, last.failure.code, last.failure.edge) == ("model", "x.y", "hospital-a")
    assert sum(isinstance(e, CycleOpened) for e in play.decided) == 1


@pytest.mark.parametrize("examples", [0, -1, ROWS + 1, 10**12])
def test_impossible_example_counts_do_not_count(examples: int) -> None:
    play = Play(quorum=2)
    opened = play.until("train")
    play.answer(opened, *EDGES[:2])
    play.hear(update("hospital-c", opened.cycle, examples), "hospital-c")
    closed = play.settle()
    assert isinstance(closed, CycleClosed)
    assert [o.failure.code for o in closed.left_out] == ["update.examples"]


@pytest.mark.parametrize(("examples", "counts"), [(20, True), (21, False)])
def test_an_edge_that_takes_some_rows_cannot_have_used_more(examples: int, *, counts: bool) -> None:
    data = submission().data.model_copy(update={"taken": {"hospital-c": Split(rows=20)}})
    play = Play(quorum=2, data=data)
    opened = play.until("train")
    play.answer(opened, *EDGES[:2])
    play.hear(update("hospital-c", opened.cycle, examples), "hospital-c")
    closed = play.settle()
    assert isinstance(closed, CycleClosed)
    assert ([c.edge for c in closed.included] == [*EDGES]) is counts


def test_an_edge_is_told_of_its_own_rows_alone() -> None:
    taken = {PrincipalId(edge): Split(rows=rows) for edge, rows in zip(EDGES, (10, 20, 30), strict=True)}
    play = Play(data=submission().data.model_copy(update={"taken": taken}))
    play.opened()
    given = orders(play.experiment, play.story.now)
    told = {each.edge: each.data.taken for each in given if isinstance(each, RunCycle)}
    assert told == {edge: {edge: rows} for edge, rows in taken.items()}


def test_an_edge_without_test_rows_may_evaluate_nothing() -> None:
    play = Play()
    opened = play.until("evaluate")
    play.answer(opened, *EDGES[:2])
    play.hear(update("hospital-c", opened.cycle, 0), "hospital-c")
    closed = play.settle()
    assert isinstance(closed, CycleClosed)
    assert len(closed.included) == 3


def test_a_passing_failure_leads_to_another_attempt_and_a_lasting_one_to_the_end() -> None:
    for retryable, expected in ((True, CycleOpened), (False, ExperimentFailed)):
        play = Play()
        opened = play.until("train")
        play.answer(opened, *EDGES[:2])
        for trial in range(1, MAX_TRIALS + 1):
            play.hear(
                UpdateFailed(
                    experiment=X, cycle=opened.cycle, trial=trial, command="c", failure=FAILURE, retryable=retryable
                ),
                "hospital-c",
            )
        assert isinstance(play.settle(), expected)


def test_a_rejected_update_leads_to_a_closing_without_it() -> None:
    play = Play(quorum=2)
    opened = play.until("train")
    play.answer(opened)
    assert isinstance(play.settle(), CycleClosed)
    play.hear(UpdateRejected(experiment=X, cycle=opened.cycle, edge="hospital-b", failure=FAILURE), "aggregator")
    again = play.settle()
    assert isinstance(again, CycleClosed)
    assert again.revision == 2
    assert [c.edge for c in again.included] == ["hospital-a", "hospital-c"]
    assert [(o.edge, o.failure) for o in again.left_out] == [("hospital-b", FAILURE)]


def test_too_many_rejected_updates_abandon_the_cycle() -> None:
    play = Play()
    opened = play.opened()
    play.answer(opened)
    play.settle()
    play.hear(UpdateRejected(experiment=X, cycle=opened.cycle, edge="hospital-b", failure=FAILURE), "aggregator")
    assert isinstance(play.decide(), CycleAbandoned)
    assert play.opened().cycle.attempt == 2


def test_an_outcome_of_an_earlier_revision_does_not_count() -> None:
    play = Play(quorum=2)
    opened = play.until("train")
    play.answer(opened)
    first = play.settle()
    assert isinstance(first, CycleClosed)
    play.hear(UpdateRejected(experiment=X, cycle=opened.cycle, edge="hospital-b", failure=FAILURE), "aggregator")
    play.settle()
    play.hear(averaged(first), "aggregator")
    assert play.experiment.phase is Phase.AVERAGING


def test_a_failed_model_fails_the_experiment() -> None:
    play = Play()
    opened = play.opened()
    play.answer(opened)
    play.settle()
    play.hear(ModelFailed(experiment=X, cycle=opened.cycle, revision=1, failure=FAILURE), "aggregator")
    last = play.settle()
    assert isinstance(last, ExperimentFailed)
    assert last.failure == FAILURE


def test_initialising_moves_on_to_another_edge() -> None:
    play = Play()
    play.cycle()
    first = play.opened()
    play.story.now = first.deadline
    second = play.opened()
    assert (first.cohort, second.cohort) == (("hospital-a",), ("hospital-b",))
    assert (first.quorum, second.quorum) == (1, 1)


WISHES: list[tuple[Callable[..., Event], type[Event], Phase]] = [
    (PauseRequested, ExperimentPaused, Phase.PAUSED),
    (StopRequested, ExperimentStopped, Phase.STOPPED),
]


@pytest.mark.parametrize(("wish", "said", "phase"), WISHES)
def test_pause_and_stop_wait_for_the_cycle_and_can_be_resumed(
    wish: Callable[..., Event], said: type[Event], phase: Phase
) -> None:
    play = Play()
    opened = play.until("train")
    play.hear(wish(experiment=X, request="r1", reason="lunch"), "acme")
    assert play.settle() is None
    play.answer(opened)
    play.settle()
    play.average()
    last = play.settle()
    assert isinstance(last, said)
    assert last.reason == "lunch"  # type: ignore[attr-defined]
    assert play.experiment.phase is phase
    assert play.settle() is None
    play.hear(ResumeRequested(experiment=X, request="r2"), "acme")
    assert isinstance(play.decide(), ExperimentResumed)
    assert str(play.opened().cycle) == "2-train-1"


def test_stop_keeps_the_last_model() -> None:
    play = Play()
    play.cycle()
    play.cycle()
    play.cycle()
    play.hear(StopRequested(experiment=X, request="r"), "acme")
    stopped = play.settle()
    assert isinstance(stopped, ExperimentStopped)
    assert stopped.model is not None
    assert stopped.model.digest == "sha256:model-1-train-1"


def test_stop_before_there_is_a_model() -> None:
    play = Play()
    play.cycle()
    play.hear(StopRequested(experiment=X, request="r"), "acme")
    stopped = play.settle()
    assert isinstance(stopped, ExperimentStopped)
    assert stopped.model is None


def test_abort_ends_at_once_and_cancels_the_work() -> None:
    play = Play()
    opened = play.until("train")
    play.hear(AbortRequested(experiment=X, request="r", reason="wrong data"), "acme")
    aborted = play.settle()
    assert isinstance(aborted, ExperimentAborted)
    cancels = orders(play.experiment, play.story.now)
    assert [(c.TYPE, c.edge) for c in cancels] == [("experiment.cancel", e) for e in opened.cohort]
    assert orders(play.experiment, play.story.now + timedelta(days=2)) == ()
    play.hear(ResumeRequested(experiment=X, request="r2"), "acme")
    play.answer(opened)
    assert play.settle() is None


def test_a_resumption_withdraws_a_pause_that_was_not_taken_yet() -> None:
    play = Play()
    opened = play.until("train")
    play.hear(PauseRequested(experiment=X, request="r1"), "acme")
    play.hear(ResumeRequested(experiment=X, request="r2"), "acme")
    play.answer(opened)
    play.settle()
    play.average()
    assert str(play.opened().cycle) == "2-train-1"


def test_policy_holds_and_releases() -> None:
    play = Play()
    play.hear(ExperimentHeld(experiment=X, turn=1, reasons=("audit",), rules="r"), "policy_engine")
    assert play.settle() is None
    assert blocked(play.experiment, play.world.fleet) == "held by policy: audit"
    play.hear(ExperimentReleased(experiment=X, turn=2, reasons=(), rules="r"), "policy_engine")
    assert isinstance(play.settle(), CycleOpened)


def test_somebody_elses_business_changes_nothing() -> None:
    play = Play()
    opened = play.until("train")
    before = play.experiment
    play.hear(AbortRequested(experiment=X, request="r"), "globex", owner="globex")
    play.hear(update("hospital-z", opened.cycle), "hospital-z")
    play.hear(submission(name="again"), "globex", owner="globex")
    assert play.experiment == before


def test_commands_carry_what_the_edge_needs() -> None:
    play = Play()
    opened = play.until("train")
    commands = orders(play.experiment, play.story.now)
    assert [c.edge for c in commands] == list(EDGES)
    for command in commands:
        assert isinstance(command, RunCycle)
        assert (command.cycle, command.model, command.deadline) == (opened.cycle, opened.model, opened.deadline)
        assert (command.owner, command.trial, command.data) == ("acme", 1, play.experiment.spec.data)


MOVES = ["answer", "fail", "expire", "average", "reject", "pause", "stop", "resume", "lapse", "appear", "decide"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(MOVES), st.sampled_from(EDGES)), max_size=60), st.sampled_from([None, 1, 2]))
def test_whatever_happens_the_rules_hold(moves: list[tuple[str, str]], quorum: int | None) -> None:
    play = Play(quorum=quorum)
    turns = dict.fromkeys(EDGES, 1)
    requests = iter(range(1000))
    for move, edge in moves:
        cycle = play.experiment.cycle
        match move:
            case "answer" if cycle:
                play.hear(update(edge, cycle.cycle), edge)
            case "fail" if cycle:
                play.hear(failed(edge, cycle.cycle, 1), edge)
            case "expire" if cycle:
                play.story.now = max(play.story.now, cycle.deadline)
            case "average" if cycle and cycle.closed:
                play.hear(averaged(cycle.closed), "aggregator")
            case "reject" if cycle and cycle.closed:
                play.hear(UpdateRejected(experiment=X, cycle=cycle.cycle, edge=edge, failure=FAILURE), "aggregator")
            case "pause" | "stop" | "resume":
                kind = {"pause": PauseRequested, "stop": StopRequested, "resume": ResumeRequested}[move]
                play.hear(kind(experiment=X, request=str(next(requests))), "acme")
            case "lapse" | "appear":
                turns[edge] += 1
                body = (EdgeLapsed if move == "lapse" else EdgeAppeared)(edge=edge, turn=turns[edge])
                play.hear(body, "coordinator", "federation")
            case _:
                play.settle()
    play.settle()
    check_rules(play)


def check_rules(play: Play) -> None:
    said = [(e.TYPE, e.key) for e in play.decided]
    assert len(said) == len(set(said)), "something was said twice"
    opened = [e for e in play.decided if isinstance(e, CycleOpened)]
    assert all(len(o.cohort) >= o.quorum for o in opened)
    numbers = [(o.cycle.number, o.cycle.attempt) for o in opened if o.cycle.kind == "train"]
    assert numbers == sorted(numbers), "a cycle was opened out of order"
    for closed in (e for e in play.decided if isinstance(e, CycleClosed)):
        cohort = next(o for o in opened if o.cycle == closed.cycle)
        assert len(closed.included) >= cohort.quorum
        edges = {c.edge for c in closed.included} | {o.edge for o in closed.left_out}
        assert edges == set(cohort.cohort), "an edge is neither counted nor left out"
    for end in (ExperimentCompleted, ExperimentFailed, ExperimentAborted):
        assert sum(isinstance(e, end) for e in play.decided) <= 1
    assert not (play.experiment.phase.final and play.decide())


def test_replaying_the_log_leads_to_the_same_world() -> None:
    play = Play()
    for _ in range(5):
        play.cycle()
    play.settle()
    again = World()
    for record in play.heard:
        again.fold(record)
    assert again.experiments == play.world.experiments
    assert again.fleet == play.world.fleet
