"""What all systems share: a folder for one case, processes with roles, and what their programs note there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from benchmarks.echo import workload
from benchmarks.measure.results import EDGE, Case
from benchmarks.measure.tree import descendants
from benchmarks.peers.install import environment

APPS: Final = Path(__file__).parents[1] / "apps"
TOOL: Final = "tool"
"""Role of commands that submit the work."""
_PATIENCE_S: Final = 60.0
_POLITE_S: Final = 6.0
_LOOK_S: Final = 0.05


class Failed(Exception):
    """The system did not come to its end; says why."""


def edge(number: int) -> str:
    """The role of an edge's processes."""
    return f"{EDGE}-{number}"


@dataclass
class Site:
    """Where one case runs.

    Attributes:
        case: What is run.
        folder: Its own; logs are kept in it.
        cache: Folder with the virtual environments.
        roles: Process id -> role.
    """

    case: Case
    folder: Path
    cache: Path
    roles: dict[int, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def marks(self) -> Path:
        """What the programs note, a line of JSON each."""
        return self.folder / "marks.jsonl"

    @property
    def final(self) -> Path:
        """What they keep of the final model; see ``workload.keep``."""
        return self.folder / "final"

    @property
    def config(self) -> dict[str, Any]:
        """What the programs are told."""
        case = self.case
        sizes = {"megabytes": case.megabytes, "arrays": case.arrays, "edges": case.edges, "rounds": case.rounds}
        return {**sizes, "seed": case.seed, "marks": str(self.marks), "final": str(self.final)}

    def noted(self) -> list[dict[str, Any]]:
        """All marks so far."""
        if not self.marks.exists():
            return []
        return [json.loads(line) for line in self.marks.read_text().splitlines()]

    def start(self, role: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process; what it prints goes to a file."""
        log = self.log(f"{role}-{len(self.processes)}")
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        self.roles[process.pid] = role
        self.processes.append(process)
        return process

    def call(self, command: Sequence[str], env: Mapping[str, str] | None = None, *, tries: int = 1) -> None:
        """Run a command to its end.

        Raises:
            Failed: It failed, as often as it was tried.
        """
        for _ in range(tries):
            process = self.start(TOOL, command, env)
            if process.wait() == 0:
                return
            time.sleep(0.5)
        raise Failed(f"{' '.join(command[:3])} failed: {self.last_line(f'{TOOL}-{len(self.processes) - 1}')}")

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / f"{name}.log"

    def last_line(self, name: str) -> str:
        """The end of a log, to tell why something failed."""
        lines = self.log(name).read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def end(self) -> None:
        """End all processes, politely first; daemons that left their parent too."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + _POLITE_S
        while time.monotonic() < until and any(process.poll() is None for process in self.processes):
            time.sleep(_LOOK_S)
        while left := descendants():
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            _reap()


@dataclass
class System:
    """One system in one case; ``start`` is its own.

    Attributes:
        site: Where it runs.
    """

    environment: ClassVar[str | None] = None
    """Name of its virtual environment; ``None`` for the one of this process."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions belong to a result."""

    site: Site

    def start(self) -> None:
        """Start all its processes, and the work.

        Raises:
            Failed: It does not start.
        """
        raise NotImplementedError

    def role(self, _command: str) -> str | None:
        """The role of a process that left its parent, by its command line."""
        return None

    def ended(self) -> str | None:
        """Why there will be no result any more; ``None`` while there may be one."""
        return None

    def program(self, name: str) -> str:
        """A program of its environment."""
        if self.environment is None:
            return sys.executable
        return str(environment(self.environment, self.site.cache) / "bin" / name)

    def lay_out(self, app: str, workload_in: str = "") -> Path:
        """Copy the program and the workload into the case's folder."""
        folder = self.site.folder / "app"
        shutil.copytree(APPS / app, folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(workload.__file__, folder / workload_in / "workload.py")
        return folder

    def surroundings(self, **more: str) -> dict[str, str]:
        """Environment variables: a home of its own, its own programs first."""
        home = self.site.folder / "home"
        home.mkdir(exist_ok=True)
        path = os.pathsep.join((str(Path(self.program("python")).parent), os.environ["PATH"]))
        return {**os.environ, "HOME": str(home), "PATH": path, **more}


def wait_for(condition: Callable[[], bool], otherwise: str) -> None:
    """Return once something is so.

    Raises:
        Failed: It is not, after a minute; says ``otherwise``.
    """
    until = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            raise Failed(otherwise)
        time.sleep(_LOOK_S)


def wait_for_port(port: int) -> None:
    """Return once somebody listens on the loopback interface. Raises as ``wait_for``."""

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens, f"nobody listens on port {port}")


def _reap() -> None:
    """Collect what ended, ours and what became ours."""
    time.sleep(_LOOK_S)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
