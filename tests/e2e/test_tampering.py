"""Real processes and a stored model that was changed: nobody gets it, nobody trains on it, and it is said which."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.events.cycles import UpdateFailed
from bus.wire import subjects
from muster.client import connect
from support.federation import federation
from support.terminal import Terminal


@pytest.mark.timeout(240)
async def test_a_model_that_was_changed_goes_nowhere(tmp_path: Path) -> None:
    async with federation(tmp_path) as town:
        terminal = Terminal(tmp_path, town.layout.directory)
        ran = await terminal.succeed("run", town.plan, "--follow")
        async with connect(town.layout, "operator") as client:
            model = (await client.experiment(ran["id"])).global_model
            assert model is not None
            chunk, blobs = subjects.chunk(model.address, 0), client.broker.blobs()
            data = bytearray(await blobs.get(chunk))
            data[len(data) // 2] ^= 1
            assert await blobs.delete(chunk) == 1
        async with connect(town.layout, "aggregator") as client:
            await client.broker.blobs().put(chunk, bytes(data))

        status, code, message = await terminal.fail("download", ran["id"], "--out", tmp_path / "out")
        assert (status, code) == (6, "seal.broken")
        assert model.address in message
        assert not list((tmp_path / "out").iterdir())

        went_on = await terminal("fork", ran["id"], "--from-cycle", "2", "--cycles", "3", "--follow", "--json")
        assert went_on.status == 9
        async with connect(town.layout, "operator") as client:
            fork = (await client.submissions())[-1]
            history = [r async for r in client.history(await client.experiment(fork))]
        failures = [(r.actor, r.body.failure) for r in history if isinstance(r.body, UpdateFailed)]
        assert {actor for actor, _ in failures} == {"hospital-a", "hospital-b", "hospital-c"}
        assert {(f.code, f.phase) for _, f in failures} == {("seal.broken", "fetch")}
        assert all(model.address in f.message for _, f in failures)
        assert model.address in went_on.json["error"]["message"]
