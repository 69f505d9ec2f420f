"""Muster, bare sockets, NVFlare and Flower on the same cases, one after the other: ``python -m benchmarks.peers``.

Every case is a process tree of its own in a network of its own and appends a line to ``--out``; the tables come from
these lines, so a campaign can be stopped and gone on with (``--missing``).
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.measure.apart import run_apart
from benchmarks.measure.results import Case, Result, read
from benchmarks.peers import report
from benchmarks.peers.fits import obstacle
from benchmarks.peers.install import CACHE, WANTED, NotInstalled, installed

SYSTEMS: Final = ("muster", "sockets", "nvflare", "flower")
_SIZES: Final = tuple(f"{megabytes}x{edges}" for megabytes in (1, 10, 100, 500) for edges in (2, 8, 32))
_ARRAYS: Final = ("10x2/16", "10x2/640")
_QUICK: Final = ("1x8", "1x32", "100x8")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)x(\d+)(?:/(\d+))?")
_SLOW: Final = {"flower": 3}
"""System -> most rounds, where a round takes minutes."""
_LEAST_MB: Final = {"muster": 20, "sockets": 500}
"""System -> what the models of all rounds shall come to, since CPU time is counted in hundredths of a second ..."""
_MOST_ROUNDS: Final = 200
"""... with no more rounds than this."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--sizes", nargs="*", metavar="MBxEDGES[/ARRAYS]", default=[*_SIZES, *_ARRAYS], help="which cases")
    add("--quick", action="store_true", help=f"only {' '.join(_QUICK)}")
    add("--systems", nargs="*", default=list(SYSTEMS), choices=SYSTEMS)
    add("--rounds", type=int, default=5, help="training rounds; the first one warms up")
    add("--repeats", type=int, default=1, help="how often each case is run, in turns")
    add("--limit-s", type=float, default=1500.0, help="longest time for a case")
    add("--missing", action="store_true", help="only cases that --out has no finished line of")
    add("--cache", type=Path, default=CACHE, help="where the others' environments are, or are made")
    add("--out", type=Path, default=CACHE / "results" / "peers.jsonl", help="file of results")
    return parser.parse_args()


def cases(wanted: argparse.Namespace) -> Iterator[Case]:
    """What to run, in order: all systems of a size next to each other."""
    for size in _QUICK if wanted.quick else wanted.sizes:
        found = _SIZE.fullmatch(size)
        if found is None:
            raise SystemExit(f"{size!r} is not a size: expected MBxEDGES or MBxEDGES/ARRAYS, for example 100x8")
        megabytes, edges, arrays = float(found[1]), int(found[2]), int(found[3] or 0)
        for _ in range(wanted.repeats):
            for system in wanted.systems:
                rounds = min(wanted.rounds, _SLOW.get(system, wanted.rounds))
                rounds = max(rounds, min(_MOST_ROUNDS, int(_LEAST_MB.get(system, 0) / megabytes)))
                yield Case(system, megabytes, edges, rounds, arrays)


def run(case: Case, wanted: argparse.Namespace) -> None:
    """One case, in a process of its own; what it printed is shown if it failed."""
    module = ["benchmarks.weights"] if case.system == "muster" else ["benchmarks.peers.case", "--system", case.system]
    if case.system != "muster":
        module += ["--cache", str(wanted.cache)]
    done = run_apart(module, case, wanted.out, limit_s=wanted.limit_s)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    print(f"  {lines[0] if lines and done.returncode == 0 else ' / '.join(lines[-3:])}", flush=True)


def main() -> None:
    """Run what was asked for, and print the tables."""
    wanted = arguments()
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    for name in WANTED.keys() & set(wanted.systems):
        try:
            installed(name, wanted.cache)
        except NotInstalled as reason:
            print(f"{name} cannot be installed: {reason}", flush=True)
    done = {(r.case.system, r.case.size) for r in read([wanted.out]) if r.done} if wanted.out.exists() else set()
    for case in cases(wanted):
        if wanted.missing and (case.system, case.size) in done:
            continue
        print(f"{case.system} {case}", flush=True)
        why_not = obstacle(case, Path(tempfile.gettempdir()))
        if why_not is None:
            run(case, wanted)
        else:
            print(f"  not run: {why_not}", flush=True)
            Result(case, f"not run: {why_not}").append(wanted.out)
    print(f"\n{report.tables(read([wanted.out]))}")


if __name__ == "__main__":
    main()
