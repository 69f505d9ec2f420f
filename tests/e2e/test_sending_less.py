"""A federation of real processes that sends rounded, sparse, compressed updates: it learns, and all of it is proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.events.base import ExperimentId
from bus.events.cycles import CycleKind, UpdateSealed
from coordinator.domain.state import Phase
from muster.client import connect
from muster.follow import follow
from support.federation import PLAN, Town, federation
from support.terminal import Terminal

LESS = "transport: {encoding: {values: int8, keep: 0.5, compression: zstd}}\n"


async def updates(town: Town, identity: str) -> list[UpdateSealed]:
    async with connect(town.layout, "operator") as client:
        bodies = [record.body async for record in client.history(await client.experiment(identity))]
    return [b for b in bodies if isinstance(b, UpdateSealed) and b.weights is not None]


@pytest.mark.timeout(300)
async def test_encoded_updates_replay_and_retrain(tmp_path: Path) -> None:
    async with federation(tmp_path) as town:
        identity = await town.submit(PLAN.replace("cycles: 2", "cycles: 3") + LESS)
        async with connect(town.layout) as client:
            view = await follow(client, ExperimentId(identity), lambda _view, _record: None)
        assert view.experiment.phase is Phase.COMPLETED
        assert view.experiment.scores

        for update in await updates(town, identity):
            assert update.weights is not None
            said = update.weights.encoded
            assert (said is not None) is (update.cycle.kind is CycleKind.TRAIN)
            assert said is None or said.resumed is (update.cycle.number > 1)

        terminal = Terminal(tmp_path, town.layout.directory)
        replayed = await terminal.succeed("replay", identity)
        assert replayed["equal"]
        assert len(replayed["outcomes"]) == 6
        retrained = await terminal.succeed("replay", identity, "--retrain")
        assert (retrained["covered"], retrained["of"], retrained["equal"]) == (16, 16, True), retrained
        kept = await terminal.succeed("retention", identity)
        assert kept["outcomes"]
        assert not list((town.layout.data("hospital-a")).glob("retrain-*"))
