"""A cycle's seconds and CPU seconds over the least that they can be on this machine, measured in the same run."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.limit.bound import PASSES, Bound, Machine, machine
from benchmarks.measure.apart import result_apart
from benchmarks.measure.results import MB, Case, Result
from benchmarks.measure.tables import table

_TARGET = 1.5
_NOTE = (
    "How the least is formed: for every step, bytes x passes / speed; CPU seconds are the sum of all steps. Seconds "
    "are that sum on all cores at once, or what the stream needs to take the updates and the outcome in, synced to "
    "disk, if that is longer. NATS is measured with a client of plain sockets, server and client together; NATS, the "
    "edges and the aggregator share these cores."
)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limit", description=__doc__)
    add = parser.add_argument
    add("--sizes", nargs="*", default=["10x2", "100x2", "100x8"], metavar="MBxEDGES")
    add("--rounds", type=int, default=5)
    add("--out", type=Path, help="file to append Muster's results to")
    return parser.parse_args()


def report(found: Machine, results: Sequence[Result]) -> str:
    """The tables."""
    bounds: list[tuple[Result, Bound]] = [(result, found.bound(result.case)) for result in results]
    steps = [
        (step, f"{1 / (found.per_byte[step] * MB):.0f}", f"{each:g}", f"{once:g}")
        for step, (each, once) in PASSES.items()
    ]
    ratios = [
        (
            str(result.case),
            f"{result.seconds:.3f}",
            f"{bound.seconds:.3f}",
            f"{result.seconds / bound.seconds:.2f}",
            f"{result.all_cpu_s:.3f}",
            f"{bound.all_cpu_s:.3f}",
            f"{result.all_cpu_s / bound.all_cpu_s:.2f}",
            f"{result.foreign_share:.0%}",
        )
        for result, bound in bounds
    ]
    shares = [(str(r.case), *(f"{b.cpu_s[step]:.3f}" for step in PASSES)) for r, b in bounds]
    columns = ("size", "s per cycle", "least", "ratio", "CPU s", "least", "ratio", "CPUs used by others")
    return "\n\n".join(
        (
            table("What a step costs.", ("step", "MB per CPU s", "passes per edge", "passes per cycle"), steps),
            f"The stream takes {1 / (found.stream_s * MB):.0f} MB/s in.",
            table("The least CPU seconds, by step.", ("size", *PASSES), shares),
            table(f"A cycle over the least that it can be; target {_TARGET} at 100 MB x 8.", columns, ratios),
            _NOTE,
        )
    )


def main() -> None:
    """Measure the machine, run the cases, print the ratios."""
    wanted = arguments()
    cases = []
    for size in wanted.sizes:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+)", size)
        if found is None:
            raise SystemExit(f"{size!r} is not a size: expected MBxEDGES, for example 100x8")
        cases.append(Case("muster", float(found[1]), int(found[2]), wanted.rounds))
    here = asyncio.run(machine(os.cpu_count() or 1))
    with tempfile.TemporaryDirectory() as folder:
        out = wanted.out or Path(folder) / "results.jsonl"
        print(report(here, [result_apart("benchmarks.weights", case, out) for case in cases]))


if __name__ == "__main__":
    main()
