"""The queue: places at edges, fairly shared."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bus.events.base import ExperimentId, OwnerId, PrincipalId
from coordinator.domain.queue import queue
from coordinator.domain.state import Experiment, Phase
from support.story import submission

A, B, C = (PrincipalId(f"hospital-{letter}") for letter in "abc")


def experiment(name: str, vendor: str = "acme", edges: tuple[PrincipalId, ...] = (A,)) -> Experiment:
    identity = ExperimentId(name)
    spec = submission(experiment=identity, recipients=edges)
    return Experiment(identity, OwnerId(vendor), PrincipalId(vendor), spec, phase=Phase.QUEUED)


def started(one: Experiment) -> Experiment:
    return replace(one, started=True, phase=Phase.RUNNING)


def able(*waiting: Experiment) -> dict[ExperimentId, tuple[PrincipalId, ...]]:
    return {one.id: one.spec.recipients for one in waiting}


def test_one_after_the_other() -> None:
    first, second, third = (experiment(name) for name in "123")
    found = queue([first, second, third], able(first, second, third), places=1)
    assert [(place.position, place.full) for place in found.values()] == [(1, ()), (2, (A,)), (3, (A,))]
    found = queue([started(first), second, third], able(second, third), places=2)
    assert [place.full for place in found.values()] == [(), (A,)]


def test_a_vendor_with_many_experiments_does_not_keep_others_out() -> None:
    many = [experiment(f"1{n}") for n in range(5)]
    late = experiment("2", "globex")
    found = queue([started(many[0]), *many[1:], late], able(*many[1:], late), places=2)
    assert found[late.id].position == 1
    assert found[late.id].full == ()
    assert all(found[one.id].full for one in many[1:])


def test_what_waits_for_several_edges_is_not_overtaken_for_ever() -> None:
    """Its places are kept: smaller ones behind it do not take them one by one."""
    running, large, small = experiment("1"), experiment("2", edges=(A, B)), experiment("3", edges=(B,))
    found = queue([started(running), large, small], able(large, small), places=1)
    assert found[large.id].full == (A,)
    assert found[small.id].full == (B,)


def test_other_edges_go_on_meanwhile() -> None:
    running, waiting, elsewhere = experiment("1"), experiment("2"), experiment("3", edges=(C,))
    found = queue([started(running), waiting, elsewhere], able(waiting, elsewhere), places=1)
    assert found[elsewhere.id].full == ()


def test_what_is_paused_or_over_takes_no_place() -> None:
    paused = replace(started(experiment("1")), phase=Phase.PAUSED)
    over = replace(started(experiment("2")), phase=Phase.COMPLETED)
    waiting = experiment("3")
    assert queue([paused, over, waiting], able(waiting), places=1)[waiting.id].full == ()


edges = st.sets(st.sampled_from([A, B, C]), min_size=1).map(lambda found: tuple(sorted(found)))


@given(st.lists(st.tuples(st.sampled_from(["acme", "globex", "initech"]), edges), max_size=12), st.integers(1, 3))
def test_everybody_gets_a_turn(submitted: list[tuple[str, tuple[PrincipalId, ...]]], places: int) -> None:
    waiting = [experiment(f"{n:02}", vendor, wanted) for n, (vendor, wanted) in enumerate(submitted)]
    everybody = {one.id: one for one in waiting}
    for _ in range(len(waiting)):
        queued = [one for one in everybody.values() if one.phase is Phase.QUEUED]
        found = queue(everybody.values(), able(*queued), places)
        free = [key for key, place in found.items() if not place.full]
        assert [place.position for place in found.values()] == list(range(1, len(queued) + 1))
        assert free[:1] == list(found)[:1], "whoever is first waits for nothing when nothing runs"
        for key in free:
            everybody[key] = started(everybody[key])
        for edge in (A, B, C):
            assert (
                sum(edge in one.spec.recipients for one in everybody.values() if one.phase is Phase.RUNNING) <= places
            )
        for key in free:
            everybody[key] = replace(everybody[key], phase=Phase.COMPLETED)
    assert all(one.phase is Phase.COMPLETED for one in everybody.values())
