"""What a strategy keeps goes from a cycle's outcome to the next closing, and to forks with the same strategy."""

from __future__ import annotations

import pytest

from bus.errors import Invalid
from bus.events.cycles import CycleClosed, CycleKind, ModelAveraged
from bus.events.experiments import ExperimentAdmitted, ExperimentFailed, ExperimentSubmitted, Strategy
from coordinator.domain.recall import recall
from coordinator.domain.world import World
from muster.submission.fork import fork_of, parameters_of
from support.play import Play
from support.story import averaged, sealed, update


class Keeping(Play):
    """A play whose aggregator keeps a state after each training cycle."""

    def average(self) -> None:
        closed = self.experiment.cycle.closed  # type: ignore[union-attr]
        assert closed is not None
        outcome = averaged(closed)
        if isinstance(outcome, ModelAveraged) and closed.cycle.kind is CycleKind.TRAIN:
            outcome = outcome.model_copy(update={"state": sealed(f"state-{closed.cycle}")})
        self.hear(outcome, "aggregator")


def kept(cycle: int) -> str:
    return f"w.acme.x.01X.state-{cycle}-train-1"


def done() -> Keeping:
    play = Keeping(cycles=3, strategy=Strategy(name="fedavgm"))
    for _ in range(6):
        play.cycle()
    play.settle()
    return play


def closing(play: Play, body: ExperimentSubmitted) -> CycleClosed | ExperimentFailed:
    """The first closing of a fork."""
    play.hear(body, "acme")
    play.hear(ExperimentAdmitted(experiment=body.experiment, reasons=(), rules="r"), "policy_engine")
    for _ in range(3):
        decision = play.world.decide(body.experiment, play.story.now)
        if decision is None:
            cycle = play.world.experiments[body.experiment].cycle
            assert cycle is not None
            for edge in cycle.cohort:
                answer = update(edge, cycle.cycle).model_copy(update={"experiment": body.experiment})
                play.hear(answer, edge)
            decision = play.world.decide(body.experiment, play.story.now)
        assert decision is not None
        play.hear(decision.event, "coordinator")
        if isinstance(decision.event, CycleClosed | ExperimentFailed):
            return decision.event
    raise AssertionError


def test_a_closing_names_what_was_kept_last() -> None:
    closings = [event for event in done().decided if isinstance(event, CycleClosed)]
    found = [(str(c.cycle), c.state.address if c.state else None) for c in closings]
    assert found == [
        ("0-statistics-1", None),
        ("0-initialise-1", None),
        ("1-train-1", None),
        ("2-train-1", kept(1)),
        ("3-train-1", kept(2)),
        ("3-evaluate-1", None),
    ]


def test_a_snapshot_keeps_it() -> None:
    play = done()
    again = World()
    again.restore(play.world.dump())
    assert again.experiments == play.world.experiments
    assert {n: state.address for n, state in play.experiment.states.items()} == {n: kept(n) for n in (1, 2, 3)}


def test_a_fork_goes_on_with_it() -> None:
    play = done()
    body = fork_of(play.experiment, 2)
    found = closing(play, body)
    assert isinstance(found, CycleClosed)
    assert found.state == play.experiment.states[2]
    again = fork_of(play.world.experiments[body.experiment], 2)
    play.world.recall(recall([r for r in play.heard if getattr(r.body, "experiment", None) == body.experiment]))
    found = closing(play, again)
    assert isinstance(found, CycleClosed)
    assert found.state == play.experiment.states[2]


def test_a_fork_with_another_strategy_begins_without() -> None:
    play = done()
    body = fork_of(play.experiment, 2, strategy="fedadam", parameters={"tau": 0.5})
    assert body.strategy.parameters["tau"] == 0.5
    found = closing(play, body)
    assert isinstance(found, CycleClosed)
    assert found.state is None


def test_parameters_that_are_not_given_stay() -> None:
    play = Keeping(strategy=Strategy(name="fedavgm", parameters={"momentum": 0.5, "learning_rate": 0.25}))
    for _ in range(5):
        play.cycle()
    body = fork_of(play.experiment, 1, parameters={"momentum": 0.75})
    assert body.strategy == Strategy(name="fedavgm", parameters={"momentum": 0.75, "learning_rate": 0.25})
    assert body.origin is not None
    assert body.origin.state == play.experiment.states[1]


@pytest.mark.parametrize("change", ["state", "strategy"])
def test_a_state_that_does_not_belong_there_is_refused(change: str) -> None:
    play = done()
    good = fork_of(play.experiment, 2)
    assert good.origin is not None
    bad = {
        "state": {"origin": good.origin.model_copy(update={"state": sealed("other")})},
        "strategy": {"strategy": Strategy(name="fedadam")},
    }[change]
    found = closing(play, good.model_copy(update=bad))
    assert isinstance(found, ExperimentFailed)
    assert found.failure.code == "fork.origin"
    assert "state" in found.failure.message


def test_parameters_are_read_from_words() -> None:
    assert parameters_of(["beta=0.1", "f=2"]) == {"beta": 0.1, "f": 2.0}
    with pytest.raises(Invalid, match=r"beta=0\.1"):
        parameters_of(["beta"])
