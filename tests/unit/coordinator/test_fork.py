"""Forks begin with a model that the log knows, or fail with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bus.errors import Invalid, NotFound
from bus.events.base import ExperimentId
from bus.events.cycles import CycleKind, CycleOpened
from bus.events.experiments import ExperimentAdmitted, ExperimentFailed, ExperimentSubmitted, Origin, Strategy
from coordinator.domain.orders import orders
from coordinator.domain.state import Experiment
from muster.submission.fork import fork_of
from muster.telling.summary import summary
from support.play import Play
from support.story import X, sealed, submission

F = ExperimentId("01F")


def parent() -> Play:
    """An experiment of two cycles that is done."""
    play = Play()
    for _ in range(5):
        play.cycle()
    play.settle()
    return play


def submitted(play: Play, body: ExperimentSubmitted, owner: str = "acme") -> Experiment:
    play.hear(body, owner, owner)
    play.hear(ExperimentAdmitted(experiment=body.experiment, reasons=(), rules="r"), "policy_engine", owner)
    return play.world.experiments[body.experiment]


def decided(play: Play, identity: str) -> object:
    decision = play.world.decide(identity, play.story.now)
    assert decision is not None
    play.hear(decision.event, "coordinator", decision.owner)
    return decision.event


def test_a_fork_goes_on_from_its_parents_model() -> None:
    play = parent()
    assert set(play.experiment.models) == {0, 1, 2}
    fork = fork_of(play.experiment, 1, cycles=3)
    found = submitted(play, fork)
    assert found.model == play.experiment.models[1]
    decided(play, fork.experiment)
    opened = decided(play, fork.experiment)
    assert isinstance(opened, CycleOpened)
    assert (opened.cycle.number, opened.cycle.kind) == (2, CycleKind.TRAIN)
    assert opened.model == play.experiment.models[1]


def test_several_passes_over_the_rows_hand_their_sums_on_and_a_fork_knows_of_them() -> None:
    data = submission().data.model_copy(update={"passes": 3})
    play = Play(data=data)
    opened = [play.cycle() for _ in range(6)]
    play.settle()
    assert [str(each.cycle) for each in opened] == [
        *("0-statistics-1", "1-statistics-1", "2-statistics-1", "0-initialise-1", "1-train-1", "2-train-1")
    ]
    assert [each.model is None for each in opened] == [True, *[False] * 5]
    assert opened[1].model != opened[2].model
    assert set(play.experiment.models) == {0, 1, 2}
    assert summary(play.experiment, play.world)["cycles_done"] == 2
    fork = fork_of(play.experiment, 1, cycles=3)
    submitted(play, fork)
    decided(play, fork.experiment)
    first = decided(play, fork.experiment)
    assert isinstance(first, CycleOpened)
    assert (str(first.cycle), first.model) == ("2-train-1", play.experiment.models[1])


def test_sums_are_no_model() -> None:
    play = Play(data=submission().data.model_copy(update={"passes": 2}))
    play.cycle()
    play.cycle()
    assert play.experiment.global_model is None
    assert summary(play.experiment, play.world)["model"] is None
    play.cycle()
    assert play.experiment.global_model is not None


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ({"experiment": "01Z"}, "there is no experiment"),
        ({"cycle": 7}, "has no such model"),
        ({"model": sealed("other")}, "has no such model"),
    ],
)
def test_a_fork_of_what_never_was_fails(origin: dict[str, object], words: str) -> None:
    play = parent()
    good = fork_of(play.experiment, 1)
    assert good.origin is not None
    bad = good.model_copy(update={"origin": Origin(**{**good.origin.model_dump(), **origin})})
    submitted(play, bad)
    failed = decided(play, bad.experiment)
    assert isinstance(failed, ExperimentFailed)
    assert failed.failure.code == "fork.origin"
    assert words in failed.failure.message


def test_a_strategy_with_tensors_of_its_own_cannot_begin_in_the_middle() -> None:
    """A model of fedavg has no control variates; nobody makes them up in silence."""
    play = Play(framework="torch")
    for _ in range(5):
        play.cycle()
    with pytest.raises(Invalid, match="begin a new experiment") as refused:
        fork_of(play.experiment, 1, strategy="scaffold")
    assert refused.value.code == "fork.origin"
    good = fork_of(play.experiment, 1)
    bad = good.model_copy(update={"strategy": Strategy(name="scaffold", parameters={"edges": 3.0})})
    submitted(play, bad)
    failed = decided(play, bad.experiment)
    assert isinstance(failed, ExperimentFailed)
    assert failed.failure.code == "fork.origin"
    assert "tensors of its own" in failed.failure.message


def test_a_strategy_with_tensors_of_its_own_can_be_left_and_goes_on() -> None:
    play = Play(framework="torch", strategy=Strategy(name="scaffold", parameters={"edges": 3.0}))
    for _ in range(5):
        play.cycle()
    assert fork_of(play.experiment, 1).strategy.parameters == {"learning_rate": 1.0, "edges": 3.0}
    assert fork_of(play.experiment, 1, strategy="fedavg").strategy.name == "fedavg"


def test_edges_are_told_of_a_strategy_that_concerns_them() -> None:
    scaffold = Strategy(name="scaffold", parameters={"edges": 3.0, "learning_rate": 1.0})
    for asked, told in ((scaffold, scaffold), (Strategy(name="fedadam"), None)):
        play = Play(framework="torch", strategy=asked)
        play.opened()
        assert [order.strategy for order in orders(play.experiment, play.story.now)] == [told] * 3


def test_nobody_forks_somebody_elses_experiment() -> None:
    play = parent()
    fork = fork_of(play.experiment, 1)
    submitted(play, fork, "globex")
    failed = decided(play, fork.experiment)
    assert isinstance(failed, ExperimentFailed)
    assert "of this owner" in failed.failure.message


def test_a_fork_keeps_data_and_framework() -> None:
    play = parent()
    fork = fork_of(play.experiment, 1)
    other = fork.model_copy(update={"data": fork.data.model_copy(update={"features": ("other",)})})
    submitted(play, other)
    failed = decided(play, other.experiment)
    assert isinstance(failed, ExperimentFailed)
    assert "keeps its parent's dataset" in failed.failure.message


def test_what_cannot_be_forked_is_said_before_it_is_submitted() -> None:
    experiment = parent().experiment
    with pytest.raises(NotFound, match="it has those of: 0, 1, 2"):
        fork_of(experiment, 9)
    with pytest.raises(Invalid, match="before cycle 2"):
        fork_of(experiment, 2, cycles=1)
    with pytest.raises(NotFound, match="none yet"):
        fork_of(replace(experiment, models={}), 0)
    assert experiment.id == X
