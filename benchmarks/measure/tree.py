"""Watches all descendants of this process as the kernel counts them: CPU time, memory, bytes over loopback."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_CPU, _START, _RSS = slice(11, 15), 19, 21
"""Places behind the command name in ``/proc/<pid>/stat``: CPU is user and system time, own and of ended children."""
_CHILD_SUBREAPER: Final = 36
_HWM_EVERY: Final = 5
_GLANCES: Final = 5
OTHER: Final = "other"

Role = Callable[[int, str], str | None]
"""Process id and command line -> what it belongs to; ``None`` if that follows from its parent."""


@dataclass(frozen=True)
class Glance:
    """One moment.

    Attributes:
        at: Seconds of the steady clock.
        cpu_s: Role -> CPU seconds so far, with those of its ended children.
        rss_bytes: Role -> resident memory; shared pages count in every process.
        loopback_bytes: Received over loopback so far, by everybody in this network.
        busy_s: CPU seconds that the whole machine was busy so far.
    """

    at: float
    cpu_s: Mapping[str, float]
    rss_bytes: Mapping[str, int]
    loopback_bytes: int
    busy_s: float


@dataclass
class Watch:
    """Looks at the tree again and again, in a thread of its own.

    Attributes:
        role: What a process belongs to.
        interval_s: Between two glances.
        glances: All of them.
        peak_bytes: Role -> highest resident memory of any one process of it, by the kernel's own record.
    """

    role: Role
    interval_s: float = 0.1
    glances: list[Glance] = field(default_factory=list)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    _known: dict[tuple[int, str], str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start looking."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look a last time."""
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def cpu_s(self, at: float, *, role: str = "") -> float:
        """CPU seconds until ``at`` of the roles that begin with ``role``, interpolated between glances."""
        return self._at(at, lambda g: sum(v for k, v in g.cpu_s.items() if k.startswith(role) and k != OTHER))

    def loopback_bytes(self, begin: float, end: float) -> float | None:
        """Bytes over loopback from ``begin`` to ``end``; ``None`` for a time too short for two sound glances."""
        if end - begin < _GLANCES * self.interval_s:
            return None
        return self._at(end, lambda g: g.loopback_bytes) - self._at(begin, lambda g: g.loopback_bytes)

    def busy_s(self, at: float) -> float:
        """CPU seconds of the whole machine until ``at``."""
        return self._at(at, lambda g: g.busy_s)

    def most_bytes(self, *roles: str) -> int:
        """Most resident memory at any one moment of the roles that begin with one of ``roles``, together."""
        sums = (sum(v for k, v in g.rss_bytes.items() if k.startswith(roles)) for g in list(self.glances))
        return max(sums, default=0)

    def most_of_one(self, role: str) -> int:
        """The same of that one among the roles that begin with ``role`` which had most."""
        found = (v for g in list(self.glances) for k, v in g.rss_bytes.items() if k.startswith(role))
        return max(found, default=0)

    def _at(self, at: float, value: Callable[[Glance], float]) -> float:
        glances = list(self.glances)
        later = next((n for n, g in enumerate(glances) if g.at >= at), len(glances) - 1)
        if later == 0:
            return value(glances[0])
        left, right = glances[later - 1], glances[later]
        share = min(1.0, (at - left.at) / (right.at - left.at))
        return value(left) + share * (value(right) - value(left))

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            self._look(hwm=number % _HWM_EVERY == 0)
            number += 1
            self._stop.wait(self.interval_s)
        self._look(hwm=True)

    def _look(self, *, hwm: bool) -> None:
        now = time.monotonic()
        cpu: dict[str, float] = {}
        rss: dict[str, int] = {}
        for pid, role, fields in self._tree():
            cpu[role] = cpu.get(role, 0.0) + sum(map(int, fields[_CPU])) / _TICKS
            rss[role] = rss.get(role, 0) + int(fields[_RSS]) * _PAGE
            if hwm:
                self.peak_bytes[role] = max(self.peak_bytes.get(role, 0), _peak(pid))
        # What ended is in its parent's count by now; where it is not (nobody waited), the role's count must not fall.
        for role, before in (self.glances[-1].cpu_s if self.glances else {}).items():
            cpu[role] = max(cpu.get(role, 0.0), before)
        self.glances.append(Glance(now, cpu, rss, _loopback(), _busy()))

    def _tree(self) -> Iterator[tuple[int, str, list[str]]]:
        todo = [(child, OTHER) for child in _children(os.getpid())]
        while todo:
            pid, inherited = todo.pop()
            fields = _stat(pid)
            if fields is None:
                continue
            key = (pid, fields[_START])
            role = self._known.get(key)
            if role is None:
                role = self.role(pid, _command(pid)) or inherited
                if role != OTHER:
                    self._known[key] = role
            yield pid, role, fields
            todo += [(child, role) for child in _children(pid)]


def adopt_orphans() -> None:
    """Have daemons that leave their parent become children of this process (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None, use_errno=True).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> list[int]:
    """Process ids of all descendants of this process."""
    found, todo = [], _children(os.getpid())
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += _children(pid)
    return found


def foreign_share(watch: Watch, begin: float, end: float) -> float:
    """Share of the machine's CPUs that processes outside of the tree used meanwhile."""
    own, all_ = (f(end) - f(begin) for f in (watch.cpu_s, watch.busy_s))
    return max(0.0, all_ - own) / (end - begin) / (os.cpu_count() or 1)


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _loopback() -> int:
    lines = Path("/proc/self/net/dev").read_text().splitlines()
    return next((int(line.split(":")[1].split()[0]) for line in lines if line.strip().startswith("lo:")), 0)


def _busy() -> float:
    values = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(values) - values[3] - values[4]) / _TICKS
