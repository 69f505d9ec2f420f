"""``make demo`` is ``muster demo``."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.terminal import Terminal


@pytest.mark.timeout(300)
async def test_the_demo_holds_and_gives_the_same_model_each_time(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    done = await terminal("demo", timeout_s=140)
    assert done.status == 0, done.err
    for words in ("hospital-c alone", "pooled in one place", "federated", "model:", ", verified", "all digests equal"):
        assert words in done.out
    again = await terminal.succeed("demo")
    assert again["digest"] in done.out
    assert again["equal"]
    assert Path(again["model"]).is_file()
    scores = {row["who"]: row["scores"]["accuracy"] for row in again["scores"]}
    assert scores["federated"] > 0.95
    assert scores["federated"] >= scores["hospital-c alone"]
