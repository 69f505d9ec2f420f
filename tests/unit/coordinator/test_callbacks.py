"""What scores of global models lead to: the coordinator's decisions, told as stories on the pure domain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events import Event
from bus.events.base import ExperimentId
from bus.events.callbacks import (
    NOT_FINITE,
    Callbacks,
    EarlyStopping,
    ModelChosen,
    Monitor,
    RateReduced,
    ReduceOnPlateau,
    StoppedEarly,
)
from bus.events.custody import Keep, KeepingRuled, WeightsReleased
from bus.events.cycles import CycleOpened, ModelAveraged, ModelEvaluated, RunCycle, UpdateFailed
from bus.events.experiments import (
    ExperimentAdmitted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentStopped,
    Failure,
    Origin,
    ResumeRequested,
    StopRequested,
)
from bus.events.weights import FederatedScore
from bus.wire.record import Record
from coordinator.domain.decide import decide
from coordinator.domain.orders import orders
from coordinator.domain.recall import recall
from coordinator.domain.world import World
from muster.proof.decisions import redecided
from muster.telling.summary import decided
from support.play import Play
from support.story import X, averaged, sealed, submission, update

LOSS = Monitor(split="validation", name="log_loss", higher=False)
RIGHT = Monitor(split="validation", name="accuracy", higher=True)
FORK = ExperimentId("02F")


def scores(value: float | None, name: str = "log_loss", *, stage: str = "received") -> tuple[FederatedScore, ...]:
    about = {"name": name, "split": "validation", "count": 10, "method": "mean over all rows"}
    better = FederatedScore(stage="trained", value=-1.0, **about)
    return FederatedScore(stage=stage, value=value, **about), better


class Judged(Play):
    """A play in which the global model of cycle n has the nth value; more cycles than values have the last one."""

    def __init__(self, values: Sequence[float | None], *, metric: str = "log_loss", **changes: object) -> None:
        super().__init__(cycles=len(values) - 1, **changes)
        self.values, self.metric = values, metric

    def average(self) -> None:
        closed = self.experiment.cycle.closed  # type: ignore[union-attr]
        assert closed is not None
        body, number = averaged(closed), closed.cycle.number
        if closed.cycle.kind == "train":
            body = body.model_copy(update={"scores": scores(self.values[number - 1], self.metric)})
        elif closed.cycle.kind == "evaluate" and self.told.with_validation:
            body = body.model_copy(update={"scores": scores(self.values[number], self.metric)})
        self.hear(body, "aggregator")

    @property
    def told(self) -> RunCycle:
        """What the edges were told in the cycle that runs or just ended."""
        opened = [r for r in self.heard if isinstance(r.body, CycleOpened)][-1]
        world = World()
        for record in self.heard[: self.heard.index(opened) + 1]:
            world.fold(record)
        command = orders(world.experiments[X], self.story.now)[0]
        assert isinstance(command, RunCycle)
        return command

    def run(self) -> list[Event]:
        """To the end; returns what was decided because of scores, and the end."""
        while True:
            self.settle()
            if self.experiment.cycle is None:
                break
            self.answer([e for e in self.decided if isinstance(e, CycleOpened)][-1])
            self.settle()
            self.average()
        return [e for e in self.decided if isinstance(e, StoppedEarly | RateReduced | ModelChosen)]

    @property
    def end(self) -> ExperimentCompleted:
        (body,) = (e for e in self.decided if isinstance(e, ExperimentCompleted))
        return body

    @property
    def heard_of_x(self) -> list[Record]:
        """The experiment's own events."""
        return [record for record in self.heard if getattr(record.body, "experiment", None) == X]

    @property
    def opened_cycles(self) -> list[str]:
        return [str(e.cycle) for e in self.decided if isinstance(e, CycleOpened)]


def stopping(patience: int = 2, min_delta: float = 0.0, monitor: Monitor = LOSS) -> Callbacks:
    return Callbacks(early_stopping=EarlyStopping(monitor=monitor, patience=patience, min_delta=min_delta))


def plateau(**changes: object) -> Callbacks:
    given_ = {"monitor": LOSS, "factor": 0.5, "patience": 1, "floor": 0.2, **changes}
    return Callbacks(reduce_on_plateau=ReduceOnPlateau(**given_))


FALLING = (9.0, 5.0, 3.0, 4.0, 4.5, 2.0, 1.0, 0.5)


def test_training_ends_one_cycle_after_the_models_that_were_no_better() -> None:
    play = Judged(FALLING, callbacks=stopping())
    (said,) = play.run()
    assert isinstance(said, StoppedEarly)
    # The edges of cycle 5 judged the model of cycle 4, the second that was no better than that of cycle 2.
    assert (said.cycle, said.standing.best, said.standing.best_cycle) == (5, 3.0, 2)
    assert (said.standing.last, said.standing.last_cycle, said.standing.stale) == (4.5, 4, 2)
    assert said.reason == (
        "2 global models in a row with validation.log_loss no better than 3 of cycle 2 "
        "(the last, of cycle 4, has 4.5): patience 2"
    )
    assert play.opened_cycles[-2:] == ["5-train-1", "5-evaluate-1"]
    assert play.end.model.digest == "sha256:model-5-train-1"


@pytest.mark.parametrize(("metric", "monitor"), [("log_loss", LOSS), ("accuracy", RIGHT)])
def test_the_direction_is_that_of_the_metric(metric: str, monitor: Monitor) -> None:
    rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    decided = Judged(rising, metric=metric, callbacks=stopping(monitor=monitor)).run()
    assert bool(decided) is not monitor.higher


def test_better_by_no_more_than_the_least_gain_is_no_better() -> None:
    slow = [8.0, 7.75, 7.5, 7.25, 7.0, 6.75]
    assert Judged(slow, callbacks=stopping(min_delta=0.5)).run()
    assert not Judged(slow, callbacks=stopping(min_delta=0.4)).run()


def test_models_without_a_value_are_passed_over() -> None:
    assert not Judged([5.0, None, None, None, None, None, None], callbacks=stopping()).run()
    assert Judged([5.0, None, 6.0, math.nan, 6.0, None, None], callbacks=stopping()).run()


def test_nothing_ends_early_when_there_is_nothing_left() -> None:
    assert not Judged([1.0, 2.0, 3.0, 4.0], callbacks=stopping()).run()


def test_the_best_model_is_the_result_and_evaluated_itself() -> None:
    play = Judged([9.0, 5.0, 3.0, 4.0, 6.0], callbacks=Callbacks(best=LOSS))
    (said,) = play.run()
    assert isinstance(said, ModelChosen)
    assert (said.cycle, said.model.digest) == (2, "sha256:model-2-train-1")
    assert said.reason == "validation.log_loss was best with 3; the last model has 6"
    assert play.opened_cycles[-3:] == ["4-train-1", "4-evaluate-1", "2-evaluate-1"]
    evaluations = [e for e in play.decided if isinstance(e, CycleOpened) and e.cycle.kind == "evaluate"]
    assert [e.model and e.model.digest for e in evaluations] == ["sha256:model-4-train-1", "sha256:model-2-train-1"]
    assert play.end.model == said.model == play.experiment.global_model


def test_the_last_model_is_judged_too_and_needs_no_second_evaluation() -> None:
    play = Judged([9.0, 5.0, 3.0], callbacks=Callbacks(best=LOSS))
    (said,) = play.run()
    assert isinstance(said, ModelChosen)
    assert (said.cycle, said.reason) == (2, "validation.log_loss was best with 3")
    assert play.opened_cycles[-1] == "2-evaluate-1"
    assert play.end.model.digest == "sha256:model-2-train-1"


def test_the_first_of_equals_is_the_best_and_the_first_model_counts() -> None:
    play = Judged([3.0, 5.0, 3.0], callbacks=Callbacks(best=LOSS))
    play.run()
    assert play.opened_cycles[-1] == "0-evaluate-1"
    assert play.end.model.digest == "sha256:model-0-initialise-1"


def test_without_any_value_the_last_model_is_the_result_and_that_is_said() -> None:
    play = Judged([None, None, None], callbacks=Callbacks(best=LOSS))
    (said,) = play.run()
    assert isinstance(said, ModelChosen)
    assert said.reason == "no model had a value of validation.log_loss: the last one is the result"
    assert list(decided(play.experiment)) == [
        "no global model had a value of validation.log_loss so far, so that it decided nothing",
        "the result is the global model of cycle 2",
    ]
    assert play.end.model.digest == "sha256:model-2-train-1"


def test_early_stopping_and_the_best_model_together() -> None:
    play = Judged(FALLING, callbacks=stopping().model_copy(update={"best": LOSS}))
    # Cycle 5 had the best model of all, which was not known when training ended: its evaluation says so.
    stop, chosen = play.run()
    assert isinstance(stop, StoppedEarly)
    assert isinstance(chosen, ModelChosen)
    assert (stop.cycle, chosen.cycle) == (5, 5)
    worse = Judged((*FALLING[:5], 8.0, 8.0, 8.0), callbacks=stopping().model_copy(update={"best": LOSS}))
    _, chosen = worse.run()
    assert isinstance(chosen, ModelChosen)
    assert (chosen.cycle, worse.opened_cycles[-1]) == (2, "2-evaluate-1")


def test_the_rate_falls_and_no_further_than_to_its_floor() -> None:
    play = Judged([1.0, *[2.0] * 9], callbacks=plateau())
    said = play.run()
    assert [(e.cycle, e.before, e.factor) for e in said if isinstance(e, RateReduced)] == [
        (2, 1.0, 0.5),
        # The model of cycle 2 was trained at the old rate: that of cycle 3, judged in cycle 4, is the next to count.
        (4, 0.5, 0.25),
        (6, 0.25, 0.2),
    ]
    rates = [e.rate_factor for e in play.decided if isinstance(e, CycleOpened) and e.cycle.kind == "train"]
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_edges_are_told_the_rate_and_when_to_judge() -> None:
    play = Judged([1.0, 2.0, 2.0, 2.0], callbacks=plateau().model_copy(update={"best": LOSS}))
    told = []
    while isinstance(opened := play.settle(), CycleOpened):
        told.append((str(opened.cycle), play.told.rate_factor, play.told.with_validation))
        play.answer(opened)
        play.settle()
        play.average()
    assert told[2:] == [
        ("1-train-1", 1.0, False),
        ("2-train-1", 1.0, False),
        ("3-train-1", 0.5, False),
        ("3-evaluate-1", 1.0, True),
        ("0-evaluate-1", 1.0, False),
    ]


def test_a_plan_without_callbacks_decides_nothing() -> None:
    play = Judged(FALLING)
    assert not play.run()
    assert not any(e.rate_factor != 1 for e in play.decided if isinstance(e, CycleOpened))


def nan(edge: str, play: Play, *, code: str = NOT_FINITE) -> UpdateFailed:
    failure = Failure(category="egress", code=code, message="not finite", edge=edge)
    cycle = play.experiment.cycle
    assert cycle is not None
    return UpdateFailed(experiment=X, cycle=cycle.cycle, trial=1, command="c", failure=failure, retryable=False)


@pytest.mark.parametrize(
    ("terminate", "code", "fails"), [(True, NOT_FINITE, True), (False, NOT_FINITE, False), (True, "x.y", False)]
)
def test_numbers_that_are_not_finite_end_it_at_once(terminate: bool, code: str, fails: bool) -> None:
    play = Play(quorum=1, callbacks=Callbacks(terminate_on_nan=terminate))
    opened = play.until("train")
    play.hear(nan("hospital-b", play, code=code), "hospital-b")
    said = play.settle()
    assert isinstance(said, ExperimentFailed) is fails
    if isinstance(said, ExperimentFailed):
        assert (said.failure.code, said.failure.edge) == (NOT_FINITE, "hospital-b")
        # The others are told to leave it.
        assert {command.TYPE for command in orders(play.experiment, play.story.now)} == {"experiment.cancel"}
        assert len(orders(play.experiment, play.story.now)) == len(opened.cohort)


def test_a_stop_on_request_and_a_resumption_lose_nothing() -> None:
    play = Judged(FALLING, callbacks=stopping())
    while not isinstance(opened := play.settle(), CycleOpened) or opened.cycle.number < 4:
        play.answer(play.experiment.cycle and opened)  # type: ignore[arg-type]
        play.settle()
        play.average()
    play.hear(StopRequested(experiment=X, request="1"), "acme")
    play.answer(opened)
    play.settle()
    play.average()
    assert isinstance(play.settle(), ExperimentStopped)
    play.hear(ResumeRequested(experiment=X, request="2"), "acme")
    (said,) = play.run()
    assert isinstance(said, StoppedEarly)
    assert said.cycle == 5


def test_the_best_model_is_kept_by_every_rule_that_keeps_any() -> None:
    for keep in (Keep.LAST, Keep.FINAL):
        play = Judged(FALLING, callbacks=stopping().model_copy(update={"best": LOSS}))
        play.values = (*FALLING[:5], 8.0, 8.0, 8.0)
        play.hear(KeepingRuled(federation="federation", keep=keep, request="1"), "operator", "federation")
        play.run()
        play.settle()
        gone = [step for e in play.decided if isinstance(e, WeightsReleased) for step in e.outcomes]
        models = {f"{n}-train" for n in range(1, 6)}
        kept = {"2-train", "5-train"} if keep is Keep.LAST else {"2-train"}
        assert models - set(gone) == kept, keep
        assert "5-evaluate" not in gone
        assert len(gone) == len(set(gone))


def test_a_fork_goes_on_with_the_rate_and_judges_anew() -> None:
    play = Judged([1.0, *[2.0] * 9], callbacks=plateau())
    play.run()
    spec = play.experiment.spec
    for cycle, factor in ((1, 1.0), (2, 0.5), (3, 0.5), (5, 0.25)):
        origin = Origin(experiment=X, cycle=cycle, model=play.experiment.models[cycle], rate_factor=factor)
        fork = spec.model_copy(update={"experiment": ExperimentId(f"{FORK}{cycle}"), "origin": origin})
        play.hear(fork, "acme")
        forked = play.world.experiments[fork.experiment]
        assert forked.abandoned is None
        assert forked.rate_factor == factor
        assert forked.watch.plateau.best is None
        lying = fork.model_copy(update={"experiment": ExperimentId(f"03L{cycle}")})
        lying = lying.model_copy(update={"origin": origin.model_copy(update={"rate_factor": factor / 3})})
        play.hear(lying, "acme")
        failure = play.world.experiments[lying.experiment].abandoned
        assert failure is not None
        assert failure.code == "fork.origin"


def test_a_fork_does_not_take_a_model_of_its_parent_for_its_own() -> None:
    play = Judged([9.0, 1.0, 5.0, 4.0], callbacks=Callbacks(best=LOSS))
    play.run()
    origin = Origin(experiment=X, cycle=2, model=play.experiment.models[2], anew=False)
    play.hear(submission(experiment=FORK, cycles=3, callbacks=Callbacks(best=LOSS), origin=origin), "acme")
    play.hear(ExperimentAdmitted(experiment=FORK, reasons=(), rules="r"), "policy_engine")
    for value in (5.0, 6.0):
        settle_fork(play, value)
    chosen = [r.body for r in play.heard if isinstance(r.body, ModelChosen) and r.body.experiment == FORK]
    assert [(body.cycle, body.model) for body in chosen] == [(2, origin.model)]
    told = recall(record for record in play.heard if getattr(record.body, "experiment", None) == FORK)
    assert told is not None
    assert told.experiment.model == origin.model


def settle_fork(play: Judged, value: float) -> None:
    """One cycle of a fork."""
    while (decision := play.world.decide(FORK, play.story.now)) is not None:
        play.hear(decision.event, "coordinator")
    cycle = play.world.experiments[FORK].cycle
    assert cycle is not None
    for edge in cycle.cohort:
        play.hear(update(edge, cycle.cycle).model_copy(update={"experiment": FORK}), edge)
    while (decision := play.world.decide(FORK, play.story.now)) is not None:
        play.hear(decision.event, "coordinator")
    cycle = play.world.experiments[FORK].cycle
    assert cycle is not None
    assert cycle.closed is not None
    about = {"experiment": FORK, "cycle": cycle.cycle, "revision": 1, "scores": scores(value)}
    if cycle.cycle.kind == "evaluate":
        play.hear(ModelEvaluated(**about), "aggregator")
    else:
        made = {"model": sealed("forked"), "contributors": {}, "weight": 1}
        play.hear(ModelAveraged(**about, **made), "aggregator")
    while (decision := play.world.decide(FORK, play.story.now)) is not None:
        play.hear(decision.event, "coordinator")


VALUES = st.lists(st.one_of(st.none(), st.integers(0, 6).map(float)), min_size=2, max_size=12)
ASKED = st.builds(
    Callbacks,
    early_stopping=st.one_of(
        st.none(),
        st.builds(
            EarlyStopping, monitor=st.just(LOSS), patience=st.integers(1, 4), min_delta=st.sampled_from([0.0, 1.0])
        ),
    ),
    reduce_on_plateau=st.one_of(
        st.none(),
        st.builds(
            ReduceOnPlateau,
            monitor=st.just(LOSS),
            factor=st.sampled_from([0.1, 0.5]),
            patience=st.integers(1, 3),
            floor=st.sampled_from([0.01, 0.3]),
        ),
    ),
    best=st.one_of(st.none(), st.just(LOSS)),
)


def stops_after(values: Sequence[float | None], patience: int, min_delta: float) -> int | None:
    """The last training cycle, worked out by hand from all values at once."""
    known = [(cycle, value) for cycle, value in enumerate(values) if value is not None]
    for place, (cycle, _) in enumerate(known):
        best = None
        bests = []
        for _, value in known[: place + 1]:
            if best is None or value < best - min_delta:
                best = value
            bests.append(best)
        if place >= patience and bests[place] == bests[place - patience] and cycle + 1 < len(values) - 1:
            return cycle + 1
    return None


@settings(max_examples=60, deadline=None)
@given(VALUES, ASKED)
def test_decisions_are_those_of_a_look_at_all_scores_at_once(values: list[float | None], asked: Callbacks) -> None:
    play = Judged(values, callbacks=asked)
    said = play.run()
    stop = next((e for e in said if isinstance(e, StoppedEarly)), None)
    wanted = asked.early_stopping
    expected = stops_after(values, wanted.patience, wanted.min_delta) if wanted is not None else None
    assert (stop.cycle if stop else None) == expected
    last = expected or len(values) - 1
    seen = [(value, cycle) for cycle, value in enumerate(values[: last + 1]) if value is not None]
    result = min(seen)[1] if asked.best is not None and seen else last
    digest = f"sha256:model-{result}-{'train' if result else 'initialise'}-1"
    assert play.end.model.digest == digest
    for reduced in (e for e in said if isinstance(e, RateReduced)):
        assert asked.reduce_on_plateau is not None
        assert asked.reduce_on_plateau.floor <= reduced.factor < reduced.before
        assert reduced.cycle < last
    assert all(decision.equal for decision in redecided(play.heard_of_x))


@settings(max_examples=25, deadline=None)
@given(VALUES, ASKED, st.data())
def test_the_same_history_calls_for_the_same_whatever_was_restarted(
    values: list[float | None], asked: Callbacks, data: st.DataObject
) -> None:
    play = Judged(values, callbacks=asked)
    play.run()
    fresh, resumed = World(), World()
    restarts = data.draw(st.sets(st.integers(0, len(play.heard))))
    for place, record in enumerate(play.heard):
        if place in restarts and place:
            content, resumed = resumed.dump(), World()
            resumed.restore(content)
        for world in (fresh, resumed):
            world.fold(record)
        moment = record.stored_at
        assert fresh.decide(X, moment) == resumed.decide(X, moment)
    assert fresh.dump() == resumed.dump()


@settings(max_examples=25, deadline=None)
@given(VALUES, ASKED, st.integers(0, 10**6))
def test_what_is_late_or_about_others_changes_no_decision(
    values: list[float | None], asked: Callbacks, at: int
) -> None:
    play = Judged(values, callbacks=asked)
    said = play.run()
    outcomes = [record for record in play.heard if isinstance(record.body, ModelAveraged)]
    late = outcomes[at % len(outcomes)]
    disturbed = World()
    for record in play.heard:
        disturbed.fold(record)
        # The same outcome once more, and a late answer: neither counts for anything.
        disturbed.fold(late)
    after = disturbed.experiments[X]
    assert after.watch == play.experiment.watch
    assert (after.model, after.step) == (play.experiment.model, play.experiment.step)
    assert decide(after, disturbed.fleet, play.story.now) is None
    assert len(said) == len({(event.TYPE, event.key) for event in said})
