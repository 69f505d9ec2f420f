"""One case on Muster: ``python -m benchmarks.weights --megabytes 10 --edges 2``; see ``benchmarks/README.md``."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks.measure import tables
from benchmarks.measure.ending import tidy_on_request
from benchmarks.measure.network import enter_own
from benchmarks.measure.results import MB, Case, Result
from benchmarks.weights.case import Wanted, run
from bus.errors import MusterError

SYSTEM = "muster"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    add = parser.add_argument
    add("--megabytes", type=float, default=10, help="size of the model, in millions of bytes of float32")
    add("--edges", type=int, default=2)
    add("--rounds", type=int, default=5, help="training cycles; the first one warms up")
    add("--arrays", type=int, default=0, help="so many equal arrays, not the layers of a transformer")
    add("--seed", type=int, default=1, help="of the first model")
    add("--drivers", type=int, default=64, help="most processes that the edges are shared out among")
    add("--limit-s", type=float, default=900.0, help="longest time for all of it")
    add("--profile", help="run this process (aggregator, edges-0, ...) under cProfile and print where its time goes")
    add("--folder", type=Path, default=Path(tempfile.gettempdir()), help="disk for the federation")
    add("--out", type=Path, help="file to append a line of JSON to")
    return parser.parse_args()


def show(result: Result) -> str:
    """One result in words."""
    cpu = {role: f"{seconds:.3f}" for role, seconds in result.cpu_s.items()}
    peaks = [
        (role, f"{size / MB:.0f}") for role, size in (*result.peak_bytes.items(), *sorted(result.process_bytes.items()))
    ]
    wire = "" if result.loopback_bytes is None else f", {result.loopback_bytes / MB:.1f} MB over loopback"
    right = "" if result.equal_share is None else f", {result.equal_share:.1%} of the numbers exact to the last bit"
    parts = (
        f"{result.seconds:.3f} s per cycle, {result.all_cpu_s:.3f} CPU s{wire}{right}.",
        f"All cycles: {', '.join(f'{seconds:.3f}' for seconds in result.round_s)} s.",
        f"Others used {result.foreign_share:.0%} of the CPUs.",
        tables.table("CPU seconds per cycle.", list(cpu), [list(cpu.values())]),
        tables.table("Most memory, in MB.", ("processes", "MB"), peaks),
    )
    return "\n\n".join(parts)


def _reason(error: Exception) -> str:
    """The first thing that went wrong, in one line."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]


def main() -> None:
    """Run what was asked for."""
    wanted = arguments()
    own = enter_own("benchmarks.weights")
    tidy_on_request()
    case = Case(SYSTEM, wanted.megabytes, wanted.edges, wanted.rounds, wanted.arrays, wanted.seed)
    how = Wanted(case, wanted.drivers, wanted.limit_s, profile=wanted.profile, folder=wanted.folder)
    try:
        result = asyncio.run(run(how, own_network=own))
    except (MusterError, TimeoutError, ExceptionGroup) as error:
        # A case that fails is a result too; what else fails is a fault of the benchmark.
        if wanted.out is not None:
            Result(case, _reason(error)).append(wanted.out)
        raise
    if wanted.out is not None:
        result.append(wanted.out)
    print(show(result))


if __name__ == "__main__":
    main()
