"""A federation of real processes that sends rounded, sparse, compressed updates: it learns, and all of it is proved."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bus.events.base import ExperimentId
from bus.events.cycles import CycleKind, UpdateSealed
from coordinator.domain.state import Phase
from muster.client import connect
from muster.telling.follow import follow
from support.federation import PLAN, Town, federation
from support.terminal import Terminal

LESS = "transport: {encoding: {values: int8, keep: 0.5, compression: zstd}}\n"


async def updates(town: Town, identity: str) -> list[UpdateSealed]:
    async with connect(town.layout, "operator") as client:
        bodies = [record.body async for record in client.history(await client.experiment(identity))]
    return [b for b in bodies if isinstance(b, UpdateSealed) and b.weights is not None]


def tamper(store: Path) -> None:
    """Cells of the rows to train on, behind everybody's back."""
    with sqlite3.connect(store) as connection:
        (name,) = connection.execute("SELECT table_name FROM muster_datasets").fetchone()
        assert connection.execute(f"UPDATE {name} SET c0 = c0 + 1 WHERE _split = 'train' AND _row < 20").rowcount == 20
    connection.close()


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
            training = update.cycle.kind is CycleKind.TRAIN
            assert (update.weights.encoded is not None) is training
            assert (update.follows is not None) is (training and update.cycle.number > 1)

        terminal = Terminal(tmp_path, town.layout.directory)
        replayed = await terminal.succeed("replay", identity)
        assert replayed["equal"]
        assert len(replayed["outcomes"]) == 6
        retrained = await terminal.succeed("replay", identity, "--retrain")
        assert (retrained["covered"], retrained["of"], retrained["equal"]) == (16, 16, True), retrained
        assert not list(town.layout.data("hospital-a").glob("retrain-*"))

        tamper(town.layout.data("hospital-b") / "store.sqlite")
        done = await terminal("replay", identity, "--retrain", "--edge", "hospital-b", "--json")
        assert done.status == 6, done.err
        trained = [u for u in done.json["updates"] if u["cycle"] == "1-train-1" and u["edge"] == "hospital-b"]
        (different,) = trained
        assert different["differs"][0] == "weights"
        # Both updates are decoded to say where they differ.
        assert different["tensor"]["tensor"].startswith(("model.", "coef", "intercept")), different
        assert 0 < different["tensor"]["greatest"] < 1
