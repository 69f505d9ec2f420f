"""One case on another system, measured as Muster is: ``python -m benchmarks.peers.case --system nvflare``."""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.echo.exact import nearness
from benchmarks.measure.ending import tidy_on_request
from benchmarks.measure.network import enter_own
from benchmarks.measure.results import DONE, EDGE, SERVER, Case, Result, per_round
from benchmarks.measure.tree import Watch, adopt_orphans, foreign_share
from benchmarks.peers.install import CACHE, NotInstalled, installed
from benchmarks.peers.systems import KNOWN
from benchmarks.peers.systems.base import TOOL, Failed, Site, System
from benchmarks.weights.__main__ import show

_LOOK_S: Final = 0.05
_GRACE_S: Final = 2.0


def run(case: Case, cache: Path, limit_s: float, *, own_network: bool) -> Result:
    """Run a case to its end; a failure is a result too."""
    kind = KNOWN[case.system]
    try:
        if kind.environment is not None:
            installed(kind.environment, cache)
    except NotInstalled as reason:
        return Result(case, f"not installed: {reason}")
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(case, Path(folder), cache.resolve())
        system = kind(site)

        def role(pid: int, command: str) -> str | None:
            return site.roles.get(pid) or system.role(command)

        with Watch(role) as watch:
            try:
                began = time.monotonic()
                system.start()
                _wait(system, began + limit_s)
            except Failed as reason:
                return Result(case, str(reason), versions=_versions(system))
            finally:
                site.end()
        return _result(system, watch, began, own_network=own_network)


def _wait(system: System, until: float) -> None:
    """Return once the programs say that it is done."""
    dead: float | None = None
    while not any(mark["what"] == "done" for mark in system.site.noted()):
        if time.monotonic() > until:
            raise Failed("it took too long")
        reason = system.ended()
        if reason is None:
            dead = None
        else:
            # What it says last may be on its way.
            dead = dead or time.monotonic()
            if time.monotonic() > dead + _GRACE_S:
                raise Failed(reason)
        time.sleep(_LOOK_S)


def _result(system: System, watch: Watch, began: float, *, own_network: bool) -> Result:
    site, case = system.site, system.site.case
    at = [mark["at"] for mark in site.noted() if mark["what"] == "round"]
    first = 1 if len(at) > 2 else 0
    begin, end, rounds = at[first], at[-1], len(at) - 1 - first
    near = nearness(np.load(f"{site.final}.npy"), case.megabytes, case.edges, case.rounds, case.seed)
    roles = (SERVER, EDGE, TOOL)
    return Result(
        case=case,
        outcome=DONE,
        round_s=tuple(later - earlier for earlier, later in itertools.pairwise(at)),
        start_s=at[0] - began,
        cpu_s={role: (watch.cpu_s(end, role=role) - watch.cpu_s(begin, role=role)) / rounds for role in roles},
        peak_bytes={
            "server": watch.most_bytes(SERVER),
            "server and broker": watch.most_bytes(SERVER),
            "edge": watch.most_of_one(EDGE),
        },
        process_bytes=dict(watch.peak_bytes),
        loopback_bytes=per_round(watch.loopback_bytes(begin, end) if own_network else None, rounds),
        equal_share=near.equal_share,
        ulps=near.ulps,
        foreign_share=foreign_share(watch, begin, end),
        versions=_versions(system),
    )


def _versions(system: System) -> dict[str, str]:
    code = "import importlib.metadata as m,json,sys;print(json.dumps({p:m.version(p) for p in sys.argv[1:]}))"
    command: Sequence[str] = (system.program("python"), "-c", code, *system.packages)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return {name: str(version) for name, version in found.items()}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.case", description=__doc__)
    add = parser.add_argument
    add("--system", choices=sorted(KNOWN), required=True)
    add("--megabytes", type=float, default=1)
    add("--edges", type=int, default=2)
    add("--rounds", type=int, default=5)
    add("--arrays", type=int, default=0)
    add("--seed", type=int, default=1)
    add("--limit-s", type=float, default=1800.0)
    add("--cache", type=Path, default=CACHE)
    add("--out", type=Path)
    wanted = parser.parse_args()
    own = enter_own("benchmarks.peers.case")
    tidy_on_request()
    case = Case(wanted.system, wanted.megabytes, wanted.edges, wanted.rounds, wanted.arrays, wanted.seed)
    result = run(case, wanted.cache, wanted.limit_s, own_network=own)
    if wanted.out is not None:
        result.append(wanted.out)
    print(show(result) if result.done else f"{case.system}: {result.outcome}")


if __name__ == "__main__":
    main()
