"""A command names the edge's update that was the last to go into a global model."""

from __future__ import annotations

from bus.events.cycles import CycleClosed, RunCycle
from bus.wire.record import Record
from coordinator.domain.orders import orders
from coordinator.domain.recall import recall
from coordinator.domain.world import World
from muster.submission.fork import fork_of
from support.play import Play
from support.story import EDGES, X, update


def commands(play: Play) -> dict[str, RunCycle]:
    given = orders(play.experiment, play.story.now)
    return {c.edge: c for c in given if isinstance(c, RunCycle)}


def update_of(play: Play, edge: str, cycle: str) -> str:
    def fits(record: Record) -> bool:
        return record.actor == edge and str(getattr(record.body, "cycle", "")) == cycle

    return next(record.id for record in play.heard if fits(record))


def test_nobody_follows_anything_before_training() -> None:
    play = Play(cycles=2)
    for _ in range(2):
        opened = play.opened()
        assert {c.follows for c in commands(play).values()} == {None}
        play.answer(opened)
        play.settle()
        play.average()
    play.opened()
    assert {c.follows for c in commands(play).values()} == {None}


def test_who_was_left_out_follows_what_counted_before() -> None:
    play = Play(cycles=3, quorum=1)
    play.until("train")
    first, *rest = EDGES
    play.answer(play.world.experiments[X].cycle, *EDGES)  # type: ignore[arg-type]
    assert isinstance(play.settle(), CycleClosed)
    play.average()
    play.opened()
    assert {e: c.follows for e, c in commands(play).items()} == {e: update_of(play, e, "1-train-1") for e in EDGES}

    cycle = play.experiment.cycle
    assert cycle is not None
    play.answer(cycle, *rest)  # type: ignore[arg-type]
    play.hear(update(first, cycle.cycle).model_copy(update={"examples": 10**9}), first)  # impossible: does not count
    assert isinstance(play.settle(), CycleClosed)
    play.average()
    play.opened()
    follows = {edge: command.follows for edge, command in commands(play).items()}
    assert follows[first] == update_of(play, first, "1-train-1")
    assert all(follows[edge] == update_of(play, edge, "2-train-1") for edge in rest)


def test_a_fork_follows_its_parent_and_a_snapshot_remembers() -> None:
    play = Play(cycles=2)
    for _ in range(4):
        play.cycle()
    again = World()
    again.restore(play.world.dump())
    assert again.experiments[X].counted == {edge: update_of(play, edge, "2-train-1") for edge in EDGES}
    body = fork_of(play.experiment, 1)
    told = recall([r for r in play.heard if getattr(r.body, "experiment", None) == X])
    assert told is not None
    assert told.experiment.counted == play.experiment.counted
    play.world.recall(told)
    play.hear(body, "acme")
    fork = play.world.experiments[body.experiment]
    assert fork.counted == {edge: update_of(play, edge, "1-train-1") for edge in EDGES}
