"""What of sealed weights is let go, when, and what never is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events.base import ExperimentId
from bus.events.custody import Keep, KeepingRuled, PurgeRequested, WeightsReleased
from bus.events.cycles import CycleOpened
from bus.events.experiments import (
    AbortRequested,
    ExperimentAborted,
    ExperimentCompleted,
    ExperimentStopped,
    Origin,
    StopRequested,
)
from coordinator.domain.schedule import preparing
from coordinator.domain.world import World
from support.play import Play
from support.story import X, averaged, sealed, submission

FORK = ExperimentId("01F")


def rule(keep: Keep, last: int = 1, days: float | None = None) -> KeepingRuled:
    return KeepingRuled(federation="federation", keep=keep, last=last, days=days, request=f"{keep}{last}{days}")


class Kept(Play):
    """A play under a rule; what is released is noted."""

    def __init__(self, ruling: KeepingRuled | None = None, **changes: object) -> None:
        super().__init__(**changes)
        if ruling is not None:
            self.hear(ruling, "operator", "federation")

    @property
    def released(self) -> list[WeightsReleased]:
        return [event for event in self.decided if isinstance(event, WeightsReleased)]

    def gone(self, what: str) -> list[str]:
        return [step for event in self.released for step in getattr(event, what)]

    def opened(self) -> CycleOpened:
        """The next cycle; what is let go is said after it."""
        while not isinstance(event := self.decide(), CycleOpened):
            assert event is not None
        assert not isinstance(self.settle(), CycleOpened)
        return event

    def completed(self) -> None:
        while not self.experiment.phase.final:
            event = self.settle()
            if self.experiment.cycle is not None and self.experiment.cycle.closed is None:
                self.answer(next(e for e in reversed(self.decided) if isinstance(e, CycleOpened)))
            elif self.experiment.cycle is not None:
                self.average()
            else:
                assert event is not None


def test_without_a_rule_everything_stays() -> None:
    play = Kept()
    play.completed()
    assert isinstance(play.experiment.phase.value, str)
    assert play.released == []


def test_models_lets_updates_go_one_cycle_later() -> None:
    play = Kept(rule(Keep.MODELS), cycles=3)
    seen = []
    for _ in range(5):
        opened = play.opened()
        seen.append((str(opened.cycle), tuple(play.gone("updates"))))
        play.answer(opened)
        play.settle()
        play.average()
    assert seen == [
        ("0-statistics-1", ()),
        ("0-initialise-1", ()),
        ("1-train-1", ("0-statistics",)),
        ("2-train-1", ("0-statistics", "0-initialise")),
        ("3-train-1", ("0-statistics", "0-initialise", "1-train")),
    ]
    play.completed()
    assert play.gone("updates") == ["0-statistics", "0-initialise", "1-train", "2-train", "3-train"]
    assert play.gone("outcomes") == []
    assert [event.turn for event in play.released] == list(range(1, len(play.released) + 1))


@pytest.mark.parametrize(("last", "left"), [(1, ["3-train"]), (2, ["2-train", "3-train"]), (9, None)])
def test_last_keeps_the_newest_models(last: int, left: list[str] | None) -> None:
    play = Kept(rule(Keep.LAST, last), cycles=3)
    play.completed()
    steps = ["0-statistics", "0-initialise", "1-train", "2-train", "3-train"]
    assert play.gone("outcomes") == ([step for step in steps if step not in left] if left else [])
    assert play.gone("updates") == steps


def test_what_the_running_cycle_needs_is_never_let_go() -> None:
    play = Kept(rule(Keep.LAST), cycles=4)
    while str((opened := play.opened()).cycle) != "3-train-1":
        play.answer(opened)
        play.settle()
        play.average()
    assert "2-train" not in play.gone("outcomes"), "the edges train on it"
    assert "2-train" not in play.gone("updates"), "its successor is not averaged"


def test_an_outcome_after_its_cycle_was_given_up_lets_nothing_go() -> None:
    play = Kept(rule(Keep.LAST), deadline_s=10.0)
    opened = play.until("train")
    play.answer(opened)
    play.settle()
    closed = play.experiment.cycle.closed  # type: ignore[union-attr]
    assert closed is not None
    play.story.now += timedelta(seconds=20)
    again = play.opened()
    assert again.cycle.attempt == 2
    before = play.gone("outcomes")
    play.hear(averaged(closed), "aggregator")
    play.settle()
    assert play.gone("outcomes") == before
    assert "0-initialise" not in before


def test_at_rest_everything_to_go_on_with_stays() -> None:
    play = Kept(rule(Keep.LAST), cycles=3)
    opened = play.until("train")
    play.hear(StopRequested(experiment=X, request="r"), "acme")
    play.answer(opened)
    play.settle()
    play.average()
    assert isinstance(play.settle(), ExperimentStopped | WeightsReleased)
    play.hear(PurgeRequested(experiment=X, keep=Keep.NOTHING, request="p"), "operator")
    play.settle()
    assert play.experiment.phase == "stopped"
    assert "1-train" not in play.gone("outcomes") + play.gone("updates")
    assert play.gone("outcomes") == ["0-statistics", "0-initialise"]


def test_the_newest_ruling_counts_for_old_experiments_too() -> None:
    play = Kept()
    play.completed()
    play.hear(rule(Keep.MODELS), "operator", "federation")
    assert isinstance(play.settle(), WeightsReleased)
    assert play.gone("updates") == ["0-statistics", "0-initialise", "1-train", "2-train"]
    play.hear(rule(Keep.EVERYTHING), "operator", "federation")
    assert play.settle() is None


def test_age_leaves_the_final_model() -> None:
    play = Kept(rule(Keep.EVERYTHING, days=30))
    play.completed()
    assert play.released == []
    ended = play.story.now
    assert play.world.deadlines() == {X: ended + timedelta(days=30)}
    play.story.now = ended + timedelta(days=30)
    assert isinstance(play.settle(), WeightsReleased)
    assert "2-train" not in play.gone("outcomes")
    assert play.gone("outcomes") == ["0-statistics", "0-initialise", "1-train"]
    assert play.released[0].reason == "it has been over for 30 days"
    assert play.world.deadlines() == {}, "nothing is left to wait for"


def test_the_owner_may_have_nothing_kept_of_what_is_over() -> None:
    play = Kept()
    play.hear(PurgeRequested(experiment=X, keep=Keep.NOTHING, request="early"), "operator")
    opened = play.until("train")
    assert play.released == []
    play.answer(opened)
    play.completed()
    assert play.gone("outcomes") == ["0-statistics", "0-initialise", "1-train", "2-train"]


def test_nobody_else_asks_in_another_ones_business() -> None:
    play = Kept()
    play.completed()
    play.hear(PurgeRequested(experiment=X, keep=Keep.NOTHING, request="p"), "operator", "globex")
    assert play.settle() is None


def fork(play: Kept, cycle: int, *, anew: bool, identity: ExperimentId = FORK, of: ExperimentId = X) -> None:
    origin = Origin(experiment=of, cycle=cycle, model=sealed(f"model-{cycle}-train-1"), anew=anew)
    play.hear(submission(experiment=identity, cycles=4, origin=origin), "acme")


@pytest.mark.parametrize("anew", [False, True])
def test_what_a_fork_may_read_stays_until_it_is_over(anew: bool) -> None:
    play = Kept(cycles=3)
    play.completed()
    fork(play, 2, anew=anew)
    play.hear(PurgeRequested(experiment=X, keep=Keep.NOTHING, request="p"), "operator")
    play.settle()
    assert ("2-train" in play.gone("updates")) is not anew
    assert "2-train" not in play.gone("outcomes")
    assert "1-train" not in play.gone("outcomes"), "the closing that is averaged anew began with it"
    play.hear(ExperimentAborted(experiment=FORK), "coordinator")
    play.settle()
    assert "2-train" in play.gone("outcomes")
    assert "2-train" in play.gone("updates")


def test_a_model_that_became_anothers_beginning_stays_under_a_rule() -> None:
    play = Kept(cycles=3)
    play.completed()
    fork(play, 1, anew=False)
    play.hear(ExperimentAborted(experiment=FORK), "coordinator")
    play.hear(rule(Keep.LAST), "operator", "federation")
    play.settle()
    assert play.gone("outcomes") == ["0-statistics", "0-initialise", "2-train"], "a fork may have it as its result"


def test_a_fork_of_a_fork_needs_what_the_first_one_did_not_make() -> None:
    play = Kept(cycles=3)
    play.completed()
    fork(play, 2, anew=True)
    play.hear(ExperimentAborted(experiment=FORK), "coordinator")
    fork(play, 2, anew=True, identity=ExperimentId("01G"), of=FORK)
    play.hear(PurgeRequested(experiment=X, keep=Keep.NOTHING, request="p"), "operator")
    play.settle()
    assert "2-train" not in play.gone("updates"), "the updates are where they were first"


def test_an_aborted_experiment_has_its_updates_released() -> None:
    play = Kept(rule(Keep.MODELS))
    play.until("train")
    play.hear(AbortRequested(experiment=X, request="r"), "acme")
    play.settle()
    assert play.experiment.phase == "aborted"
    assert play.gone("updates") == ["0-statistics", "0-initialise", "1-train"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(list(Keep)[:3]), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_whatever_is_ruled_and_when_nothing_needed_goes_and_a_restart_says_the_same(
    rulings: list[Keep], last: int, cycles: int, passes: int
) -> None:
    play = Kept(cycles=cycles, data=submission().data.model_copy(update={"passes": passes}))
    for number in range(preparing(passes) + cycles):
        keep = rulings[number % len(rulings)]
        play.hear(rule(keep, last).model_copy(update={"request": str(number)}), "operator", "federation")
        opened = play.opened()
        play.answer(opened)
        play.settle()
        newest = f"{opened.cycle.number - (opened.cycle.kind == 'train')}"
        needed = f"{newest}-train" if opened.cycle.number > 1 else "0-initialise"
        if opened.cycle.kind == "train":
            assert needed not in play.gone("outcomes")
        assert f"{opened.cycle.number}-{opened.cycle.kind}" not in play.gone("updates")
        play.average()
    play.completed()
    assert isinstance(play.decided[-1], ExperimentCompleted | WeightsReleased)
    assert f"{cycles}-train" not in play.gone("outcomes"), "the final model stays"
    for what in ("updates", "outcomes"):
        assert len(play.gone(what)) == len(set(play.gone(what))), "nothing is let go twice"
    again = World()
    for record in play.heard:
        again.fold(record)
    assert again.dump() == play.world.dump()
    restored = World()
    restored.restore(again.dump())
    assert restored.decide(X, play.story.now) is None
    assert restored.deadlines() == again.deadlines()
