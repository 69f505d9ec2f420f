"""The operator's rule on what is kept, and room made by hand, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.federation import federation
from support.terminal import Terminal


@pytest.mark.timeout(240)
async def test_less_is_kept_and_everybody_is_told(tmp_path: Path) -> None:
    async with federation(tmp_path) as town:
        terminal = Terminal(tmp_path, town.layout.directory)
        ran = await terminal.succeed("run", town.plan, "--follow")
        look = await terminal.succeed("purge", ran["id"], "--keep", "last")
        assert not look["asked"]
        assert {(g["step"], g["what"]) for g in look["going"]} >= {("1-train", "updates"), ("1-train", "outcome")}
        whole = await terminal.succeed("retention", ran["id"])
        assert not any(o["replay"] for o in whole["outcomes"]), "a look changes nothing"

        done = await terminal.succeed("purge", ran["id"], "--keep", "last", "--yes", "--reason", "room")
        assert done["purged"]["bodies"] == sum(g["bodies"] for g in look["going"])
        left = {o["cycle"]: o for o in (await terminal.succeed("retention", ran["id"]))["outcomes"]}
        assert "released on" in left["2-train-1"]["replay"]
        assert "the operator asked to keep last 1" in left["2-train-1"]["replay"]
        assert left["2-train-1"]["fork"] == ""
        assert "released on" in left["1-train-1"]["fork"]
        replayed = await terminal("replay", ran["id"], "--json")
        assert replayed.status == 4
        assert all("released on" in o["reason"] for o in replayed.json["outcomes"] if o["gone"])
        assert (await terminal.succeed("download", ran["id"], "--out", tmp_path / "out"))["digest"] == ran["model"]
        story = await terminal("explain", ran["id"])
        assert "Sealed weights were let go" in story.out.replace("\n", " ")
        assert (await terminal.fail("fork", ran["id"], "--from-cycle", "1"))[1] == "seal.recipient"

        await terminal.succeed("policy", "keep", "models", "--days", "30")
        assert (await terminal.succeed("policy", "show"))["kept"] == {"keep": "models", "last": 1, "days": 30.0}
        refused = await terminal("policy", "keep", "nothing")
        assert refused.status == 2
        again = await terminal.succeed("fork", ran["id"], "--from-cycle", "2", "--cycles", "3", "--follow")
        kept = {o["cycle"]: o for o in (await terminal.succeed("retention", again["id"]))["outcomes"]}
        assert kept["3-train-1"]["fork"] == ""
