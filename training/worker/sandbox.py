"""Walls around a worker: no network, no other processes, nothing of the site but its own two directories.

Bubblewrap where it works; else namespaces of ``unshare``, which take away network and process view; else nothing but
a clean environment and resource limits. Which one holds is found out by trying, said in the edge's enrolment, and
logged as a warning if it is less than the best.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

_PROBE_S: Final = 10.0
_CODE: Final = "/muster"
"""Where the ``training`` package is inside the walls."""
_JOB: Final = "/job"

_ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - of the worker's own, empty
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    # One thread: sums of floats must not depend on how many cores there are.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class Isolation(StrEnum):
    """What keeps a worker in."""

    BUBBLEWRAP = "bubblewrap"
    NAMESPACES = "namespaces"
    NONE = "none"


INFO_FD: Final = "INFO_FD"
"""Stands for a file descriptor to which the walls write the worker's process id, as ``{"child-pid": ...}``."""


@dataclass(frozen=True)
class Command:
    """How to start a worker: arguments (``INFO_FD`` among them, or not), environment, working directory."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: Path


@cache
def available() -> Isolation:
    """The best isolation that works on this machine."""
    if _works("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "true"):
        return Isolation.BUBBLEWRAP
    if _works("unshare", *_NAMESPACES, "true"):
        return Isolation.NAMESPACES
    return Isolation.NONE


_NAMESPACES: Final = ("--user", "--map-root-user", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child")


def _works(program: str, *arguments: str) -> bool:
    path = shutil.which(program)
    if path is None:
        return False
    try:
        done = subprocess.run([path, *arguments], capture_output=True, timeout=_PROBE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def command(task: str, inputs: Path, output: Path, isolation: Isolation) -> Command:
    """How to start a worker.

    Args:
        task: What it shall do.
        inputs: Directory with ``config.yaml`` and all that it names; read-only inside.
        output: Empty directory for what it writes.
        isolation: What keeps it in.
    """
    package = Path(__file__).resolve().parents[1]
    if isolation is Isolation.BUBBLEWRAP:
        return _bubblewrap(task, inputs, output, package)
    worker = _worker(task, str(inputs.resolve() / "config.yaml"), str(output.resolve()))
    environment = {**_ENVIRONMENT, "PYTHONPATH": str(package.parent)}
    prefix = ("unshare", *_NAMESPACES, "--") if isolation is Isolation.NAMESPACES else ()
    # A daemon that is killed takes its workers with it; bubblewrap sees to that by itself.
    leash = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
    return Command((*leash, *prefix, *worker), environment, output)


def _worker(task: str, config: str, output: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "training.worker", "run", task, config, output)


def _bubblewrap(task: str, inputs: Path, output: Path, package: Path) -> Command:
    walls = [
        "bwrap",
        *("--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "worker"),
        *("--info-fd", INFO_FD),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - inside the walls
        *(part for directory in _system() for part in ("--ro-bind", directory, directory)),
        *(part for link, target in _links() for part in ("--symlink", target, link)),
        *("--ro-bind", str(package), f"{_CODE}/training"),
        *("--ro-bind", str(inputs.resolve()), f"{_JOB}/inputs"),
        *("--bind", str(output.resolve()), f"{_JOB}/output"),
        *("--chdir", f"{_JOB}/output"),
    ]
    for name, value in {**_ENVIRONMENT, "PYTHONPATH": _CODE}.items():
        walls += ["--setenv", name, value]
    worker = _worker(task, f"{_JOB}/inputs/config.yaml", f"{_JOB}/output")
    return Command((*walls, "--", *worker), {"PATH": _ENVIRONMENT["PATH"]}, output)


def _system() -> list[str]:
    """What Python and its libraries need: the system's programs, the interpreter, the virtual environment."""
    wanted = [Path("/usr"), Path(sys.base_prefix), Path(sys.prefix)]
    wanted += [path for path in (Path("/lib"), Path("/lib64"), Path("/bin")) if path.is_dir() and not path.is_symlink()]
    chosen: list[Path] = []
    for path in wanted:
        if not any(path.is_relative_to(other) for other in chosen):
            chosen.append(path)
    return [str(path) for path in chosen]


def _links() -> list[tuple[str, str]]:
    """``/lib -> usr/lib`` and the like, where the system has merged them."""
    return [
        (str(path), str(path.readlink())) for path in (Path("/lib"), Path("/lib64"), Path("/bin")) if path.is_symlink()
    ]
