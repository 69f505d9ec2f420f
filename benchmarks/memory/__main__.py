"""Resident memory of aggregator and edge daemon over the model's size, and over the number of edges."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.measure.apart import result_apart
from benchmarks.measure.results import Case, Result
from benchmarks.memory import page
from benchmarks.peers.fits import obstacle
from benchmarks.weights.__main__ import SYSTEM

_DOCS = Path(__file__).parents[2] / "docs" / "explanation"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    add = parser.add_argument
    add("--models", type=float, nargs="*", default=[10, 32, 100, 320, 1000, 4000], help="sizes in MB, with 2 edges")
    add("--edges", type=int, nargs="*", default=[2, 4, 8, 16, 32, 64], help="numbers of edges, with one size")
    add("--megabytes", type=float, default=32, help="that size")
    add("--rounds", type=int, default=2)
    add("--limit-s", type=float, default=3600.0, help="longest time for one point")
    add("--out", type=Path, help="file to append results to")
    add("--write", action="store_true", help="write docs/explanation/memory.md and its curves")
    return parser.parse_args()


def run(case: Case, out: Path, limit_s: float) -> Result | None:
    """One point, in a process of its own; ``None`` if it does not fit here."""
    why_not = obstacle(case, Path(tempfile.gettempdir()))
    if why_not is not None:
        print(f"{case}: not run: {why_not}", file=sys.stderr, flush=True)
        return None
    return result_apart("benchmarks.weights", case, out, limit_s=limit_s)


def main() -> None:
    """Run all points, and print the tables."""
    wanted = arguments()
    with tempfile.TemporaryDirectory() as folder:
        out = wanted.out or Path(folder) / "results.jsonl"
        groups = (
            [Case(SYSTEM, megabytes, 2, wanted.rounds) for megabytes in wanted.models],
            [Case(SYSTEM, wanted.megabytes, edges, wanted.rounds) for edges in wanted.edges],
        )
        by_model, by_edges = (
            [found for case in cases if (found := run(case, out, wanted.limit_s)) is not None] for cases in groups
        )
    print(page.tables(by_model, by_edges))
    if wanted.write:
        page.write(_DOCS, by_model, by_edges)


if __name__ == "__main__":
    main()
