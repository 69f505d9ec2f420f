"""Forks that average anew, and what can still be done once the store has let go of weights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bus.events.cycles import UpdateSealed
from bus.events.weights import SealedObject
from bus.wire import subjects
from muster.client import connect
from support.federation import Town, federation
from support.terminal import Terminal


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with federation(tmp_path) as town:
        yield town


async def models(town: Town, identity: str) -> dict[int, str]:
    """Training cycle -> digest of its global model."""
    async with connect(town.layout, "operator") as client:
        return {number: model.digest for number, model in (await client.experiment(identity)).models.items()}


async def update_of(town: Town, identity: str, edge: str, cycle: str) -> SealedObject:
    """Where an update is."""
    async with connect(town.layout, "operator") as client:
        experiment = await client.experiment(identity)
        async for record in client.history(experiment):
            body = record.body
            if isinstance(body, UpdateSealed) and record.actor == edge and str(body.cycle) == cycle:
                assert body.weights is not None
                return body.weights
    raise AssertionError(f"{edge} sent nothing in {cycle}")


async def purge(town: Town, subject: str) -> None:
    """Have the store forget what is under ``subject``."""
    async with connect(town.layout, "operator") as client:
        assert await client.broker.blobs().delete(subject) >= 1


async def replace(town: Town, edge: str, subject: str) -> None:
    """Have an edge write something else in the place of what it wrote once."""
    await purge(town, subject)
    async with connect(town.layout, edge) as client:
        await client.broker.blobs().put(subject, b"something else")


def by_cycle(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {outcome["cycle"]: outcome for outcome in said["outcomes"]}


@pytest.mark.timeout(300)
async def test_updates_are_averaged_anew_as_long_as_they_are_kept(town: Town, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, town.layout.directory)
    ran = await terminal.succeed("run", town.plan, "--follow")
    made = await models(town, ran["id"])

    async def fork(identity: str, *options: str) -> dict[str, Any]:
        return await terminal.succeed("fork", identity, "--from-cycle", "2", *options, "--follow")

    same = await fork(ran["id"], "--anew")
    assert same["model"] == made[2], "the same updates and the same strategy must give the same model"
    other = await fork(ran["id"], "--anew", "--strategy", "uniform")
    assert other["model"] != made[2], "hospitals of 40, 60 and 80 rows must not weigh the same under both strategies"
    middle = await fork(ran["id"], "--anew", "--strategy", "fedtrimmedavg", "--parameter", "beta=0.4")
    median = await fork(ran["id"], "--anew", "--strategy", "fedmedian")
    assert middle["model"] == median["model"] != made[2], "of three values, a trimmed mean leaves the middle one"
    stateful = await fork(ran["id"], "--strategy", "fedadam", "--cycles", "4")
    assert (await terminal.succeed("replay", stateful["id"]))["equal"]
    back = await fork(other["id"], "--anew", "--strategy", "fedavg")
    assert back["model"] == made[2], "a fork of a fork must find the updates where they were"
    early = await terminal.succeed("fork", ran["id"], "--from-cycle", "1", "--anew", "--follow")
    assert early["model"] == ran["model"], "training on from the same model with the same seed must end the same"
    replayed = await terminal.succeed("replay", other["id"])
    assert replayed["equal"]
    assert (await terminal.fail("fork", ran["id"], "--from-cycle", "0", "--anew"))[:2] == (2, "fork.cycle")
    assert (await terminal.fail("fork", ran["id"], "--from-cycle", "1", "--strategy", "uniforn"))[:2] == (
        2,
        "plan.strategy",
    )
    few = ("fork", ran["id"], "--from-cycle", "1", "--strategy", "krum")
    assert (await terminal.fail(*few))[:2] == (2, "strategy.updates")

    whole = by_cycle(await terminal.succeed("retention", ran["id"]))
    assert all(outcome["replay"] == "" for outcome in whole.values())
    assert [cycle for cycle, outcome in whole.items() if not outcome["fork"]] == [
        "0-initialise-1",
        "1-train-1",
        "2-train-1",
    ]
    update = await update_of(town, ran["id"], "hospital-b", "2-train-1")
    await purge(town, f"{update.address}.>")
    left = by_cycle(await terminal.succeed("retention", ran["id"]))
    assert "hospital-b's update: no longer kept" in left["2-train-1"]["replay"]
    assert left["2-train-1"]["fork"] == ""
    assert left["1-train-1"] == whole["1-train-1"]
    partly = await terminal("replay", ran["id"], "--json")
    assert partly.status == 4
    assert [o["cycle"] for o in partly.json["outcomes"] if o["gone"]] == ["2-train-1"]
    gone = await terminal("fork", ran["id"], "--from-cycle", "2", "--anew", "--follow", "--json")
    assert gone.status == 9
    assert "no longer kept" in gone.json["error"]["message"]
    assert (await fork(ran["id"]))["model"] == made[2], "the model itself is still there"

    changed = await update_of(town, ran["id"], "hospital-c", "1-train-1")
    await replace(town, "hospital-c", subjects.chunk(changed.address, 0))
    found = await terminal("replay", ran["id"], "--json")
    assert found.status == 6
    (torn,) = [o for o in found.json["outcomes"] if not o["equal"] and not o["gone"]]
    assert torn["cycle"] == "1-train-1"
    assert "does not open" in torn["reason"]


@pytest.mark.timeout(120)
async def test_what_is_over_is_over(town: Town, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, town.layout.directory)
    started = await terminal.succeed("run", town.plan)
    assert (await terminal.succeed("abort", started["id"]))["state"] == "aborted"
    status, code, message = await terminal.fail("resume", started["id"])
    assert (status, code) == (2, "experiment.over")
    assert "aborted" in message
