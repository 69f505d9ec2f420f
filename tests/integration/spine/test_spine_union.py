"""Members on the spine: real services, sealed updates of sizes of their own, replay, forks, an edge that lies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from bus.events.base import ExperimentId
from bus.events.cycles import CycleClosed, CycleKind, ModelAveraged, RunCycle, UpdateRejected
from bus.events.experiments import ExperimentCompleted, ExperimentFailed, Limits, Strategy
from bus.events.strategies import settled
from bus.events.weights import SealedObject
from bus.runtime.voice import Voice
from bus.weights import incoming
from bus.wire.record import Record
from muster.client import Client
from muster.proof.replay import Recomputed, replay
from muster.submission.fork import fork_of
from muster.telling.explain import explained
from support import people
from support.spine import ACME, EXAMPLES, Learn, Spine, Tensors, read, running_spine
from support.story import EDGES, X

CYCLES = 2
WIDE = 60_000
"""Numbers per member: several chunks of them per update."""
REDUCTIONS = {"wide": "union", "size": "union", "w": "mean", "lone": "union:other"}


def trees(edge: str, cycle: int) -> int:
    """How many an edge adds: none from one of them, in one cycle."""
    return 0 if (edge, cycle) == ("hospital-b", 1) else EDGES.index(edge) + cycle


def grow(edge: str, command: RunCycle, received: Tensors) -> tuple[Tensors, dict[str, str]]:
    """What an edge adds, and a step."""
    number, kind = command.cycle.number, command.cycle.kind
    if kind is CycleKind.STATISTICS:
        return {"sum": np.full(3, EXAMPLES[edge], np.float64)}, {"sum": "sum"}
    count = 1 if kind is CycleKind.INITIALISE else trees(edge, number)
    mark = 100 * number + EDGES.index(edge)
    tensors = {
        "wide": np.full((count, WIDE), mark, np.float64),
        "size": np.full(count, mark, np.int16),
        "w": received.get("w", np.zeros(200_000, np.float32)) + np.float32(EXAMPLES[edge] / 100),
        "lone": np.full((2, 3), mark % 100, np.int8),
    }
    return tensors, REDUCTIONS


def limits(disk_bytes: int) -> Limits:
    return Limits(memory_bytes=1, cpu_s=1, wall_s=1, disk_bytes=disk_bytes, processes=1)


def client(spine: Spine, name: str) -> Client:
    identity = people.identity(name)
    return Client(spine.broker, identity, people.directory(), Voice(spine.broker, identity))


async def ended(spine: Spine, experiment: str = X) -> list[Record]:
    history = []
    async with asyncio.timeout(60):
        async for record in client(spine, "acme").read(f"ev.acme.*.{experiment}.>", follow=True):
            history.append(record)
            if isinstance(record.body, ExperimentCompleted | ExperimentFailed):
                return history
    raise AssertionError


async def ran(spine: Spine, learn: Learn = grow, **changes: object) -> list[Record]:
    for edge in spine.edges.values():
        edge.learn = learn
    await spine.submit(**{"cycles": CYCLES, "limits": limits(100_000_000), **changes})
    return await ended(spine)


async def replayed(spine: Spine, experiment: str = X) -> list[Recomputed]:
    asked = await client(spine, "operator").experiment(experiment)
    return await replay(client(spine, "aggregator"), asked, lambda _result: None)


async def downloaded(spine: Spine, model: SealedObject) -> Tensors:
    path = spine.folder / "model.safetensors"
    await incoming.download_file(spine.broker.blobs(), model, people.identity("acme"), path)
    return read(path)


def made(history: list[Record]) -> list[ModelAveraged]:
    return [r.body for r in history if isinstance(r.body, ModelAveraged) and r.body.cycle.number > 0]


@pytest.mark.parametrize("strategy", ["fedavg", "fedadam"])
async def test_members_add_up_from_cycle_to_cycle_and_replay(tmp_path: Path, strategy: str) -> None:
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, strategy=settled(Strategy(name=strategy)))
        assert isinstance(history[-1].body, ExperimentCompleted), history[-1].body
        model = await downloaded(spine, history[-1].body.model)
        results = await replayed(spine)
        outcomes = made(history)
        story = explained(history)
    marks = [0] + [100 * n + i for n in (1, 2) for i, edge in enumerate(EDGES) for _ in range(trees(edge, n))]
    assert model["size"].tolist() == marks
    assert np.array_equal(model["wide"], np.repeat(np.array(marks, np.float64)[:, None], WIDE, axis=1))
    assert len(model["lone"]) == 2 * (1 + CYCLES * len(EDGES))
    assert np.all(model["w"] == model["w"][0])
    assert [each.members for each in outcomes] == [
        {"members": {edge: trees(edge, n) for edge in EDGES}, "other": dict.fromkeys(EDGES, 2)} for n in (1, 2)
    ]
    assert outcomes[-1].model.members == {"members": len(marks), "other": len(model["lone"])}
    assert all(result.equal for result in results), results
    assert len(results) == CYCLES + 3
    assert any("hospital-a 1, hospital-b 0, hospital-c 3" in line for line in story), story


async def test_the_order_of_answers_changes_nothing(tmp_path: Path) -> None:
    digests = set()
    for number, last in enumerate(EDGES):
        (tmp_path / str(number)).mkdir()
        async with running_spine(tmp_path / str(number)) as spine:
            others = asyncio.Semaphore(0)
            for name, edge in spine.edges.items():
                edge.delay = _waits(others, last == name)
            history = await ran(spine)
        assert isinstance(history[-1].body, ExperimentCompleted)
        digests.add(history[-1].body.model.digest)
    assert len(digests) == 1


def _waits(others: asyncio.Semaphore, last: bool):
    async def wait(command: RunCycle) -> None:
        if command.cycle.kind is not CycleKind.TRAIN:
            return
        if not last:
            others.release()
            return
        for _ in range(len(EDGES) - 1):
            await others.acquire()

    return wait


async def test_an_update_that_does_not_fit_is_rejected_and_the_others_go_on(tmp_path: Path) -> None:
    def learn(edge: str, command: RunCycle, received: Tensors) -> tuple[Tensors, dict[str, str]]:
        tensors, reductions = grow(edge, command, received)
        if edge == "hospital-b" and command.cycle.kind is CycleKind.TRAIN:
            tensors["wide"] = tensors["wide"][:, 1:]
        return tensors, reductions

    async with running_spine(tmp_path) as spine:
        history = await ran(spine, learn, quorum=2)
        results = await replayed(spine)
    rejected = [r.body for r in history if isinstance(r.body, UpdateRejected)]
    assert {(r.edge, r.failure.code) for r in rejected} == {("hospital-b", "weights.layout")}
    assert isinstance(history[-1].body, ExperimentCompleted), history[-1].body
    assert [sorted((each.members or {})["members"]) for each in made(history)] == [
        ["hospital-a", "hospital-c"]
    ] * CYCLES
    assert all(result.equal for result in results), results


async def test_an_event_that_says_other_members_than_there_are_is_rejected(tmp_path: Path) -> None:
    def claim(sealed: SealedObject) -> SealedObject:
        if "update-1-train" not in sealed.address or sealed.members is None:
            return sealed
        return sealed.model_copy(update={"members": {**sealed.members, "members": 99}})

    async with running_spine(tmp_path) as spine:
        spine.edges["hospital-c"].claim = claim
        history = await ran(spine, quorum=2)
    rejected = [r.body for r in history if isinstance(r.body, UpdateRejected)]
    assert [(r.edge, r.failure.code) for r in rejected] == [("hospital-c", "weights.members")]
    assert isinstance(history[-1].body, ExperimentCompleted), history[-1].body


async def test_nothing_new_is_an_unchanged_model(tmp_path: Path) -> None:
    def learn(edge: str, command: RunCycle, received: Tensors) -> tuple[Tensors, dict[str, str]]:
        if command.cycle.kind is CycleKind.STATISTICS:
            return grow(edge, command, received)
        return {"t": np.ones((int(command.cycle.kind is CycleKind.INITIALISE), 2))}, {"t": "union"}

    async with running_spine(tmp_path) as spine:
        failed = (await ran(spine, learn))[-1].body
    assert isinstance(failed, ExperimentFailed)
    assert failed.failure.code == "model.unchanged"


async def test_a_model_that_outgrows_the_plan_ends_the_experiment(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        failed = (await ran(spine, limits=limits(4_000_000)))[-1].body
    assert isinstance(failed, ExperimentFailed)
    assert failed.failure.code == "members.size"
    assert "group 'members': 5 members and 9 new ones; group 'other': 8 members and 6 new" in failed.failure.message


@pytest.mark.parametrize("anew", [False, True])
async def test_a_fork_goes_on_from_its_members(tmp_path: Path, anew: bool) -> None:
    async with running_spine(tmp_path) as spine:
        parent = made(await ran(spine))
        asked = await client(spine, "operator").experiment(X)
        fork = fork_of(asked, 1, strategy="uniform", anew=anew).model_copy(update={"experiment": ExperimentId("01F")})
        await spine.voice("acme").say(fork, owner=ACME)
        history = await ended(spine, "01F")
        assert isinstance(history[-1].body, ExperimentCompleted), history[-1].body
        model = await downloaded(spine, history[-1].body.model)
        assert all(result.equal for result in await replayed(spine, "01F"))
    assert made(history)[-1].model.members == parent[-1].model.members
    assert made(history)[-1].members == parent[-1].members
    assert model["size"].tolist()[:5] == [0, 100, 102, 102, 102]


async def test_krum_takes_members_of_those_it_chose(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, strategy=settled(Strategy(name="krum", parameters={"f": 0})))
        results = await replayed(spine)
    assert [each.selected for each in made(history)] == [("hospital-a",)] * CYCLES
    assert [each.members for each in made(history)] == [
        {"members": {"hospital-a": n}, "other": {"hospital-a": 2}} for n in (1, 2)
    ]
    assert all(result.equal for result in results), results


async def test_a_replay_notices_members_that_nobody_contributed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_spine(tmp_path) as spine:
        with monkeypatch.context() as patch:
            made_up = {"members": {"hospital-a": 5}, "other": {}}
            patch.setattr("aggregator.domain.recipe.Recipe.members", lambda *_arguments: made_up)
            history = await ran(spine)
        closings = [r.body for r in history if isinstance(r.body, CycleClosed)]
        assert closings
        results = await replayed(spine)
    assert [r.equal for r in results if "train" in r.cycle] == [False] * CYCLES
    assert all("members" in (r.reason or "") for r in results if "train" in r.cycle)
