"""A case in a process of its own, which leaves nothing of it behind in this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure.ending import ask_when_parent_dies
from benchmarks.measure.results import Case, Result, read


def run_apart(module: Sequence[str], case: Case, out: Path, *, limit_s: float) -> subprocess.CompletedProcess[str]:
    """Run ``python -m`` with the words of ``module`` and those of ``case``; it appends its result to ``out``."""
    sizes = {"megabytes": case.megabytes, "edges": case.edges, "rounds": case.rounds, "arrays": case.arrays}
    options = {**sizes, "limit-s": limit_s, "out": out}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", *module, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=ask_when_parent_dies)


def result_apart(module: str, case: Case, out: Path, *, limit_s: float = 900.0) -> Result:
    """The result of a case that has to come to its end; what it says on the way to failure is shown."""
    done = run_apart([module], case, out, limit_s=limit_s)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(f"{module} did not come to the end of {case}")
    return read([out])[-1]
