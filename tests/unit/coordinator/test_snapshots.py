"""A world that is written down and read again is the same world."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events.cycles import UpdateFailed, UpdateRejected
from bus.events.experiments import PauseRequested
from bus.events.governance import FederationPaused, VendorAllowed
from coordinator.domain.world import World
from muster.submission.fork import fork_of
from policy_engine.domain.world import World as PolicyWorld
from support.play import FAILURE, Play
from support.story import X, registered


def again(world: World) -> World:
    restored = World()
    restored.restore(world.dump())
    return restored


def same(one: World, two: World) -> bool:
    return (one.position, one.experiments, one.fleet) == (two.position, two.experiments, two.fleet)


def whole() -> Play:
    """A story with a bit of everything in it."""
    play = Play(quorum=2)
    for _ in range(3):
        play.cycle()
    opened = play.opened()
    play.answer(opened, "hospital-a")
    failed = UpdateFailed(experiment=X, cycle=opened.cycle, trial=1, command="c", failure=FAILURE, retryable=True)
    play.hear(failed, "hospital-c")
    play.answer(opened, "hospital-b")
    play.hear(failed.model_copy(update={"trial": 3}), "hospital-c")
    play.settle()
    play.hear(UpdateRejected(experiment=X, cycle=opened.cycle, edge="hospital-b", failure=FAILURE), "aggregator")
    play.hear(PauseRequested(experiment=X, request="1"), "acme")
    play.hear(fork_of(play.experiment, 1), "acme")
    return play


RECORDS = whole().heard


@settings(max_examples=60)
@given(st.integers(0, len(RECORDS)))
def test_a_coordinator_that_restarts_anywhere_is_as_if_it_had_not(place: int) -> None:
    straight, interrupted = World(), World()
    for number, record in enumerate(RECORDS):
        if number == place:
            interrupted = again(interrupted)
        straight.fold(record)
        interrupted.fold(record)
    assert same(straight, interrupted)
    assert same(straight, again(straight))


def test_a_policy_engine_too() -> None:
    play = whole()
    world = PolicyWorld()
    story = play.story
    for record in play.heard:
        world.fold(record)
    world.fold(story.said(VendorAllowed(vendor="acme", request="1"), "operator", "federation"))
    world.fold(story.said(FederationPaused(federation="federation", request="1", reason="x"), "operator", "federation"))
    restored = PolicyWorld()
    restored.restore(world.dump())
    assert (restored.position, restored.rules, restored.cases) == (world.position, world.rules, world.cases)
    assert restored.decide(X, story.now) == world.decide(X, story.now)


def test_nobody_registers_data_for_somebody_else() -> None:
    play = Play()
    world = PolicyWorld()
    world.fold(play.story.said(registered("hospital-a"), "hospital-b", "federation"))
    assert not world.rules.datasets


@pytest.mark.parametrize("content", [b"", b"{}", b'{"position": 1, "experiments": {"x": 1}, "fleet": {}}'])
def test_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        World().restore(content)
    with pytest.raises(ValueError):
        PolicyWorld().restore(content)
