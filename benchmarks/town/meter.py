"""What processes use, as the kernel counts it (``/proc``, see proc(5))."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""Places of ``utime`` and ``stime`` behind the command name in ``/proc/<pid>/stat``."""


@dataclass(frozen=True)
class Usage:
    """One process at one moment.

    Attributes:
        cpu_s: User and system time since its start.
        rss_bytes: Resident memory now.
        peak_bytes: Most that it ever was.
    """

    cpu_s: float
    rss_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class Moment:
    """All processes of a federation at one moment.

    Attributes:
        at: Seconds of a steady clock.
        usage: Name of a process -> what it used.
        renewals: Of leases, so far.
    """

    at: float
    usage: Mapping[str, Usage]
    renewals: int

    def cpu_since(self, earlier: Moment, name: str) -> float:
        """CPU seconds that the processes whose names begin with ``name`` used meanwhile."""
        return sum(u.cpu_s - earlier.usage[n].cpu_s for n, u in self.usage.items() if n.startswith(name))

    def rss(self, name: str) -> int:
        """Resident bytes of the processes whose names begin with ``name``."""
        return sum(u.rss_bytes for n, u in self.usage.items() if n.startswith(name))


def look(processes: Mapping[str, int], renewals: int) -> Moment:
    """What ``processes`` (name -> process id) use at this moment."""
    return Moment(time.monotonic(), {name: usage(pid) for name, pid in processes.items()}, renewals)


def usage(pid: int) -> Usage:
    """What the process ``pid`` uses at this moment."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    lines = (line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    status = {key: value.split() for key, value in lines if key in {"VmRSS", "VmHWM"}}
    cpu_s = (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
    return Usage(cpu_s, int(status["VmRSS"][0]) * 1024, int(status["VmHWM"][0]) * 1024)
