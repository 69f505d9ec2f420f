"""What is over is forgotten, but for its id; what forks of it need is told again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bus.events.cycles import CycleAbandoned, CycleClosed, CycleOpened, Source, UpdateRejected
from bus.events.experiments import (
    AbortRequested,
    ExperimentAborted,
    ExperimentAdmitted,
    ExperimentFailed,
    ExperimentStarted,
    ExperimentSubmitted,
)
from coordinator.domain.orders import orders
from coordinator.domain.recall import recall
from coordinator.domain.state import Phase
from coordinator.domain.world import World
from muster.submission.fork import fork_of
from support.play import FAILURE, Play
from support.story import EDGES, X, averaged, submission


class Forgetful(Play):
    """A play in a world that forgets."""

    def __init__(self, **changes: object) -> None:
        super().__init__(**changes)
        heard, self.world = self.heard, World(remember=False)
        for record in heard:
            self.world.fold(record)


def done() -> Forgetful:
    """An experiment of two cycles that is over, and something said after it."""
    play = Forgetful()
    for _ in range(5):
        play.cycle()
    play.settle()
    return play


def nudge(play: Play) -> None:
    """Something happens that is about nothing of this."""
    play.hear(submission(experiment="01N"), "acme")


def test_what_is_over_is_forgotten_but_for_its_id() -> None:
    play = done()
    assert play.experiment.phase is Phase.COMPLETED
    nudge(play)
    assert X not in play.world.experiments
    play.hear(submission(), "acme-2")
    assert X not in play.world.experiments, "an id is used once"
    assert play.world.decide(X, play.story.now) is None


def test_a_snapshot_keeps_what_was_forgotten() -> None:
    play = done()
    nudge(play)
    again = World(remember=False)
    again.restore(play.world.dump())
    for world in (play.world, again):
        world.fold(play.story.said(submission(), "acme-2"))
        assert set(world.experiments) == {"01N"}


def test_an_aborted_experiment_stays_until_its_edges_were_told() -> None:
    play = Forgetful()
    play.opened()
    play.hear(AbortRequested(experiment=X, request="1"), "acme")
    assert isinstance(play.decide(), ExperimentAborted)
    nudge(play)
    assert X in play.world.open()
    assert {command.edge for command in orders(play.experiment, play.story.now)} == set(EDGES)
    play.story.now += timedelta(days=2)
    nudge(play)
    assert X not in play.world.experiments


def fork(play: Play, body: ExperimentSubmitted) -> Callable[[], object]:
    """Submit a fork, as the coordinator hears of it; gives the way to decide about it."""
    assert body.origin is not None
    of_parent = [r for r in play.heard if getattr(r.body, "experiment", None) == body.origin.experiment]
    play.world.recall(recall(of_parent))
    play.hear(body, "acme")
    play.hear(ExperimentAdmitted(experiment=body.experiment, reasons=(), rules="r"), "policy_engine")

    def decide() -> object:
        decision = play.world.decide(body.experiment, play.story.now)
        if decision is None:
            return None
        play.hear(decision.event, "coordinator")
        return decision.event

    return decide


def test_a_fork_of_what_was_forgotten_goes_on() -> None:
    play = done()
    parent = play.experiment
    nudge(play)
    decide = fork(play, fork_of(parent, 1))
    assert isinstance(decide(), ExperimentStarted)
    opened = decide()
    assert isinstance(opened, CycleOpened)
    assert opened.model == parent.models[1]


def test_averaging_anew_asks_no_edge() -> None:
    play = done()
    parent = play.experiment
    nudge(play)
    body = fork_of(parent, 2, strategy="uniform", anew=True)
    decide = fork(play, body)
    assert isinstance(decide(), ExperimentStarted)
    opened = decide()
    assert isinstance(opened, CycleOpened)
    assert opened.source == Source(experiment=X, cycle=opened.cycle)
    assert opened.model == parent.models[1]
    assert orders(play.world.experiments[body.experiment], play.story.now) == ()
    closed = decide()
    assert isinstance(closed, CycleClosed)
    assert (closed.strategy.name, closed.source) == ("uniform", opened.source)
    theirs = next(r.body for r in play.heard if isinstance(r.body, CycleClosed) and r.body.cycle == opened.cycle)
    assert isinstance(theirs, CycleClosed)
    assert closed.included == theirs.included
    play.hear(averaged(closed), "aggregator")
    evaluation = decide()
    assert isinstance(evaluation, CycleOpened)
    assert evaluation.source is None


def test_updates_that_are_gone_are_not_waited_for() -> None:
    play = done()
    body = fork_of(play.experiment, 1, anew=True)
    decide = fork(play, body)
    decide()
    decide()
    closed = decide()
    assert isinstance(closed, CycleClosed)
    rejected = UpdateRejected(experiment=body.experiment, cycle=closed.cycle, edge=EDGES[0], failure=FAILURE)
    play.hear(rejected, "aggregator")
    assert isinstance(decide(), CycleAbandoned)
    failed = decide()
    assert isinstance(failed, ExperimentFailed)
    assert failed.failure == FAILURE


@pytest.mark.parametrize(("cycle", "words"), [(0, "did not train cycle 0"), (1, "did not train cycle 1")])
def test_nothing_is_averaged_anew_that_nobody_trained(cycle: int, words: str) -> None:
    play = done()
    first = play.experiment
    middle = fork_of(first, 1)
    decide = fork(play, middle)
    assert isinstance(decide(), ExperimentStarted)
    second = play.world.experiments[middle.experiment]
    body = fork_of(second if cycle else first, 1, anew=True)
    assert body.origin is not None
    if cycle == 0:
        origin = body.origin.model_copy(update={"cycle": 0, "model": first.models[0]})
        body = body.model_copy(update={"origin": origin})
    failed = fork(play, body)()
    assert isinstance(failed, ExperimentFailed)
    assert words in failed.failure.message
