"""Every wait for others ends: for the aggregator with another attempt, for lost edges in the queue."""

from __future__ import annotations

from datetime import timedelta

from bus.events.cycles import CycleAbandoned, CycleClosed, CycleOpened
from bus.events.experiments import (
    ExperimentAdmitted,
    ExperimentFailed,
    ExperimentPaused,
    ExperimentRequeued,
    ExperimentResumed,
    ExperimentStarted,
    PauseRequested,
    ResumeRequested,
)
from bus.events.principals import EdgeAppeared, EdgeLapsed
from coordinator.domain.state import Phase
from coordinator.domain.world import World
from support.play import Play
from support.story import EDGES, X, averaged, submission

OTHER = "01Y"


def test_an_aggregator_that_says_nothing_is_not_waited_for_for_ever() -> None:
    play = Play()
    for attempt in (1, 2, 3):
        opened = play.opened()
        assert opened.cycle.attempt == attempt
        play.answer(opened)
        assert isinstance(play.settle(), CycleClosed)
        assert X in play.world.deadlines()
        assert play.decide() is None
        play.story.now += timedelta(seconds=play.experiment.spec.deadline_s + 1)
        abandoned = play.decide()
        assert isinstance(abandoned, CycleAbandoned)
        assert "the aggregator gave no outcome within 600 s" in abandoned.reason
    failed = play.decide()
    assert isinstance(failed, ExperimentFailed)


def test_an_outcome_that_was_said_first_counts() -> None:
    play = Play()
    opened = play.opened()
    play.answer(opened)
    closed = play.settle()
    assert isinstance(closed, CycleClosed)
    play.hear(averaged(closed), "aggregator")
    # The coordinator had decided before it read that.
    play.hear(CycleAbandoned(experiment=X, cycle=closed.cycle, reason="late"), "coordinator")
    assert play.experiment.step == 1
    assert play.experiment.attempts == 0


def lapse(play: Play, turn: int, edge: str = EDGES[0]) -> None:
    play.hear(EdgeLapsed(edge=edge, turn=turn), "coordinator", "federation")


def appear(play: Play, turn: int, edge: str = EDGES[0]) -> None:
    play.hear(EdgeAppeared(edge=edge, turn=turn), "coordinator", "federation")


def test_who_waits_too_long_for_its_edges_gives_its_places_back() -> None:
    play = Play()
    play.cycle()
    lapse(play, 2)
    assert play.decide() is None
    assert play.world.deadlines()[X] == play.experiment.deadline
    play.story.now += timedelta(seconds=play.experiment.spec.deadline_s)
    requeued = play.decide()
    assert isinstance(requeued, ExperimentRequeued)
    assert "missing hospital-a" in requeued.reason
    assert play.experiment.phase is Phase.QUEUED
    assert play.world.deadlines() == {}, "there is nothing more to give back"
    assert play.decide() is None
    assert "missing hospital-a" in play.world.waits_for(X).reason
    appear(play, 3)
    opened = play.decide()
    assert isinstance(opened, CycleOpened), "it started before, and goes on where it was"
    assert opened.cycle.number == 0
    assert play.experiment.step == 1


def test_edges_that_are_back_in_time_cost_it_nothing() -> None:
    play = Play()
    play.cycle()
    lapse(play, 2)
    assert play.decide() is None
    appear(play, 3)
    assert isinstance(play.decide(), CycleOpened)


def test_a_resumed_experiment_takes_its_turn() -> None:
    play = Play()
    play.world = World(places=1)
    for record in play.heard:
        play.world.fold(record)
    play.cycle()
    play.hear(PauseRequested(experiment=X, request="1"), "acme")
    assert isinstance(play.decide(), ExperimentPaused)
    play.hear(submission(experiment=OTHER), "globex", "globex")
    play.hear(ExperimentAdmitted(experiment=OTHER, reasons=(), rules="r"), "policy_engine", "globex")
    started = play.world.decide(OTHER, play.story.now)
    assert started is not None
    assert isinstance(started.event, ExperimentStarted)
    play.hear(started.event, "coordinator", "globex")
    play.hear(ResumeRequested(experiment=X, request="2"), "acme")
    assert isinstance(play.decide(), ExperimentResumed)
    assert play.decide() is None
    assert "place 1 in the queue: no room at" in play.world.waits_for(X).reason
