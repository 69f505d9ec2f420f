"""The edges' work, done again beside their data: equal if nothing was changed, and what was changed is named."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bus.events.base import ExperimentId
from bus.events.cycles import UpdateSealed
from coordinator.domain.state import Phase
from muster.client import connect
from muster.ingest import ingest
from muster.telling.follow import follow
from support.federation import EDGES, PLAN, Town, federation, write_rows
from support.terminal import Terminal


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with federation(tmp_path) as town:
        yield town


def tamper(store: Path) -> None:
    """One cell of the first row to train on, behind everybody's back."""
    with sqlite3.connect(store) as connection:
        (name,) = connection.execute("SELECT table_name FROM muster_datasets").fetchone()
        changed = connection.execute(f"UPDATE {name} SET c0 = c0 + 1 WHERE _split = 'train' AND _row = 0")
        assert changed.rowcount == 1
    connection.close()


async def purge(town: Town, identity: str) -> None:
    """Have the store forget the first global model, and what hospital-b sent first."""
    async with connect(town.layout, "operator") as client:
        experiment = await client.experiment(identity)
        said = [r.body async for r in client.history(experiment) if r.actor == "hospital-b"]
        update = next(body for body in said if isinstance(body, UpdateSealed))
        assert update.weights is not None
        for sealed in (update.weights, experiment.models[0]):
            assert await client.broker.blobs().delete(f"{sealed.address}.>")


class Elsewhere(Terminal):
    """A terminal on a machine that is said to have another SciPy; the workers see none of it."""

    @property
    def environment(self) -> dict[str, str]:
        folder = self.folder / "elsewhere" / "scipy-0.0.1.dist-info"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: scipy\nVersion: 0.0.1\n")
        return {**super().environment, "PYTHONPATH": str(folder.parent)}


JOBS = {"0-statistics-1": 3, "0-initialise-1": 1, "1-train-1": 3, "1-evaluate-1": 3}


async def finished(town: Town) -> str:
    """An experiment of one training cycle, run to its end."""
    identity = await town.submit(PLAN.replace("cycles: 2", "cycles: 1"))
    async with asyncio.timeout(60), connect(town.layout) as client:
        view = await follow(client, ExperimentId(identity), lambda _view, _record: None)
    assert view.experiment.phase is Phase.COMPLETED
    return identity


async def retrained(terminal: Terminal, identity: str, *more: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, content, prose."""
    done = await terminal("replay", identity, "--retrain", *more, "--json")
    assert "Traceback" not in done.err, done.err
    return done.status, done.json, done.err


def jobs(content: dict[str, Any], edge: str) -> dict[str, dict[str, Any]]:
    """Cycle -> what came of the job of ``edge``."""
    return {each["cycle"]: each for each in content["updates"] if each["edge"] == edge}


@pytest.mark.timeout(240)
async def test_updates_follow_from_the_data(town: Town, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, town.layout.directory)
    identity = await finished(town)

    status, content, told = await retrained(terminal, identity)
    assert status == 0, told
    assert (content["covered"], content["of"], content["equal"], content["first"]) == (10, 10, True, None)
    assert Counter(each["cycle"] for each in content["updates"]) == JOBS
    assert list(dict.fromkeys(each["cycle"] for each in content["updates"])) == list(JOBS)
    assert all(each["equal"] and each["same_environment"] for each in content["updates"])
    assert "hospital-a: same environment as recorded" in told

    store, away = (folder / "store.sqlite" for folder in (town.layout.data("hospital-c"), tmp_path))
    store.rename(away)
    await _ingest_anew(town, tmp_path)
    tamper(town.layout.data("hospital-b") / "store.sqlite")
    await _what_was_changed_is_named(terminal, identity)
    await purge(town, identity)
    await _what_is_gone_is_said(Elsewhere(tmp_path, town.layout.directory), identity)

    for edge in EDGES:
        assert not list(town.layout.data(edge).glob("retrain-*")), "rows were left behind"
    assert not town.restarts, "a daemon was disturbed"
    assert not store.exists(), "a store was made where there was none"


async def _ingest_anew(town: Town, folder: Path) -> None:
    files = write_rows(folder, "hospital-a", 20)
    about = {"dataset": "cancer", "category": "tabular_classification", "target": "y", "infer": True}
    await ingest(town.layout, "hospital-a", {**about, **files, "mode": "replace"})


async def _what_was_changed_is_named(terminal: Terminal, identity: str) -> None:
    status, content, told = await retrained(terminal, identity)
    assert status == 6, told
    first = content["first"]
    assert (first["cycle"], first["edge"], first["differs"]) == ("0-statistics-1", "hospital-b", ["weights"])
    assert first["tensor"] == {"tensor": "statistics.sum", "elements": 2, "different": 1, "greatest": pytest.approx(1)}
    assert not jobs(content, "hospital-b")["1-train-1"]["equal"]

    anew = jobs(content, "hospital-a")
    assert "ingested anew since" in anew["1-train-1"]["reason"]
    assert anew["0-initialise-1"]["equal"], "an initialisation needs no data"
    assert "data store is not here" in content["absent"]["hospital-c"]
    assert (content["covered"], content["of"]) == (4, 10)


async def _what_is_gone_is_said(terminal: Terminal, identity: str) -> None:
    """And a difference that another environment may explain is no broken proof."""
    status, content, told = await retrained(terminal, identity, "--edge", "hospital-b")
    assert status == 3, told
    assert "hospital-b: another environment" in told
    assert "differs, in another environment" in told
    found = jobs(content, "hospital-b")
    assert not found["0-statistics-1"]["same_environment"]
    assert found["0-statistics-1"]["tensor"] is None
    assert "cannot be opened" in found["0-statistics-1"]["note"]
    assert "the weights that it began with cannot be had any more" in found["1-train-1"]["reason"]
    assert found["1-evaluate-1"]["equal"], "the rows to test on were left alone"
