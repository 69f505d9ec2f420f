"""The load driver of the benchmarks runs, at a size that takes seconds."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bus.processes import die_with_parent

ROOT = Path(__file__).parents[2]
TINY = "--edges 20 --cycles 1 --updates 1 --rest-s 0.5 --rows 5:5x2 --parameters 10 --lease-s 3 --limit-s 60"


async def test_many_edges_run_experiments_and_every_cost_is_told() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.scale",
        *TINY.split(),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    output, errors = await process.communicate()

    assert process.returncode == 0, errors.decode()
    tables = [table.splitlines() for table in output.decode().split("\n\n") if table.startswith("|")]
    rows = [[tuple(cell.strip() for cell in row.strip("|").split("|")) for row in table[2:]] for table in tables]
    cycles, memory, rest, setup, linear, tenths = rows
    for table in (cycles, memory, rest, setup):
        assert [row[0] for row in table] == ["20"]
    assert int(cycles[0][3]) >= 23  # opened, an update each, closed, averaged
    assert [row[-1] for row in setup] == ["0"]  # warnings
    assert len(linear) == 5
    assert len(tenths) == 10
    assert int(tenths[-1][1]) >= 5 * (3 * 8 + 5)
