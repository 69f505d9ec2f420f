"""The benchmarks of the weights path run, at sizes that take seconds, and what they say is right."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks.echo import exact, workload
from benchmarks.limit import wire
from benchmarks.limit.bound import Machine
from benchmarks.measure.results import Case, Result, read
from benchmarks.memory import page
from benchmarks.peers import report
from benchmarks.peers.__main__ import SYSTEMS
from bus.processes import die_with_parent

ROOT = Path(__file__).parents[2]
MUSTER = "-m benchmarks.weights --megabytes 1.5 --edges 3 --drivers 2 --rounds 3 --limit-s 160 --out"
SOCKETS = "-m benchmarks.peers.case --system sockets --megabytes 2 --edges 2 --rounds 3 --limit-s 160 --out"


async def run(*words: str) -> tuple[str, str, int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return output.decode(), errors.decode(), process.returncode


async def test_a_case_on_muster_is_exact_and_every_cost_is_told(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"

    _, errors, status = await run(*MUSTER.split(), str(out))

    assert status == 0, errors
    (result,) = read([out])
    assert result.done
    assert len(result.round_s) == 3
    assert result.equal_share == 1.0
    assert result.all_cpu_s > 0
    assert result.peak_bytes["server"] < result.peak_bytes["server and broker"]
    assert {"broker", "edge-0", "edge-1", page.AGGREGATOR} <= result.process_bytes.keys()


async def test_bare_sockets_are_measured_the_same_way(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"

    _, errors, status = await run(*SOCKETS.split(), str(out))

    assert status == 0, errors
    (result,) = read([out])
    assert result.done, result.outcome
    assert len(result.round_s) == 3
    assert result.ulps is not None
    assert result.ulps < 8  # floats in some order: near, not exact


async def test_a_model_that_the_disk_has_no_room_for_is_refused(tmp_path: Path) -> None:
    _, errors, status = await run("benchmarks/large.py", "--gigabytes", "1e6", "--folder", str(tmp_path))

    assert status == 1
    assert "GB of disk" in errors
    assert "--folder" in errors


async def test_the_wire_costs_something_both_ways() -> None:
    up, down = await wire.measured(8 * 1024 * 1024)

    assert min(up.wall_s, down.wall_s) > 0
    steps = ("out of the stream", "seal", "open", "digest", "add up", "copy", "write a file", "read a file")
    machine = Machine({"into the stream": 2e-9, **dict.fromkeys(steps, 1e-9)}, 1e-8, 2)

    bound = machine.bound(Case("muster", 100, 8, 5))

    assert bound.cpu_s["into the stream"] == pytest.approx(1e8 * 9 * 2e-9)
    assert bound.seconds == pytest.approx(1e8 * 9 * 1e-8)  # the disk, not the cores


@pytest.mark.parametrize(("megabytes", "arrays"), [(1, 67), (10, 163), (100, 99), (500, 227)])
def test_models_have_the_layers_that_others_were_measured_with(megabytes: int, arrays: int) -> None:
    layers = workload.layers(megabytes)

    assert len(layers) == arrays
    assert sum(math.prod(shape) for _, shape in layers) == workload.count(megabytes)
    assert len(workload.layers(megabytes, 640)) == 640


def test_what_is_expected_is_rounded_once_and_not_more() -> None:
    first = exact.expected(0.02, 3, 0, seed=1)
    weights = [workload.examples(edge) for edge in range(3)]
    summed = sum((first + workload.step(e)).astype(np.float64) * w for e, w in enumerate(weights))

    assert np.array_equal(exact.expected(0.02, 3, 1, seed=1), (summed / sum(weights)).astype(np.float32))
    assert exact.nearness(np.nextafter(first, np.float32(1)), 0.02, 3, 0, seed=1).equal_share == 0.0


def _result(system: str, megabytes: float, edges: int, seconds: float, arrays: int = 0) -> Result:
    case = Case(system, megabytes, edges, 3, arrays)
    peaks = {"server": 200_000_000, "server and broker": 300_000_000, "edge": 100_000_000}
    processes = {page.AGGREGATOR: 90_000_000, "edge-0": 80_000_000}
    return Result(case, "done", (9.0, seconds, seconds), 1.0, {"server": seconds}, peaks, processes)


def test_the_tables_tell_ratios_targets_and_what_is_missing() -> None:
    seconds = dict(zip(SYSTEMS, (0.1, 0.05, 4.0, 8.0), strict=True))
    results = [_result(system, 1, 8, s) for system, s in seconds.items() if system != "flower"]
    results.append(Result(Case("flower", 1, 8, 3), "not installed: no such version"))

    told = report.tables(results)

    assert "| 1 MB x 8 | 0.1 | 0.05 | 4 | - | 2 | 0.025 | - |" in told
    assert "| seconds over NVFlare's, 1 MB x 8 | 0.025 | 0.05 | yes |" in told
    assert "Flower, 1 MB x 8: not installed" in told


def test_lines_on_disk_are_what_was_written(tmp_path: Path) -> None:
    first, second = _result("muster", 1, 2, 0.5), _result("muster", 10, 2, 0.7, 16)

    for each in (first, second):
        each.append(tmp_path / "some.jsonl")

    assert read([tmp_path]) == [first, second]


def test_memory_is_drawn_and_written(tmp_path: Path) -> None:
    by_model = [_result("muster", size, 2, 1.0) for size in (10, 100, 1000)]
    by_edges = [_result("muster", 32, edges, 1.0) for edges in (2, 8)]

    page.write(tmp_path, by_model, by_edges)

    assert "| 1000 | 90 | 80 |" in (tmp_path / "memory.md").read_text()
    for name in ("memory-model.svg", "memory-edges.svg"):
        root = ET.fromstring((tmp_path / name).read_text())
        assert len([each for each in root if each.tag.endswith("polyline")]) == 2
