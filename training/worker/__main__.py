"""``python -m training.worker run TASK CONFIG.yaml OUTPUT_DIR``.

Exit status: 0 done; 1 failed, with the reason in ``error.json``; 2 called wrongly.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Final

from training.errors import Phase, during
from training.plan import Limits
from training.worker.config import MODEL, Config, Task
from training.worker.output import Output, in_our_words

_USAGE: Final = f"usage: run {'|'.join(Task)} CONFIG.yaml OUTPUT_DIR"


def main(arguments: list[str]) -> int:
    """Run one task; returns the exit status."""
    if len(arguments) != 4 or arguments[0] != "run" or arguments[1] not in set(Task):
        sys.stderr.write(_USAGE + "\n")
        return 2
    task, config, output = Task(arguments[1]), Path(arguments[2]), Output(Path(arguments[3]))
    try:
        _work(task, config, output)
    except Exception as error:  # noqa: BLE001 - the vendor's code may raise anything, and the daemon must hear of it
        said = in_our_words(error)
        said.phase = said.phase or task.phase
        output.error(said, error, config.resolve().parent / MODEL)
        return 1
    output.resources()
    return 0


def _work(task: Task, config: Path, output: Output) -> None:
    with during(Phase.START):
        told = Config.load(config)
        _confine(told.limits)
        # Imported under the limits, since the frameworks come with these.
        from training.registry import default_registry
        from training.worker.tasks import Work

        work = Work(told, default_registry(), output)
    work.do(task)


def _confine(limits: Limits) -> None:
    """Take hard limits on: what is loaded afterwards cannot lift them."""
    os.umask(0o077)
    cpu_s = max(1, round(limits.cpu_s))
    for what, soft, hard in (
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        # A second between the signal that says why and the one that cannot be caught.
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_FSIZE, limits.disk_bytes, limits.disk_bytes),
        (resource.RLIMIT_NPROC, limits.processes, limits.processes),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, most = resource.getrlimit(what)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(what, (soft, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
