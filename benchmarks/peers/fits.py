"""Whether a case fits on this machine: better asked first than found out by the kernel."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.measure.results import MB, Case

_GB: Final = 1000 * MB


@dataclass(frozen=True)
class Appetite:
    """What a system needs, from runs that fitted, rounded up.

    Attributes:
        models: Times the model's size in memory, in any case.
        models_per_edge: ... and for each edge, server and client together.
        mb: Megabytes that every edge's processes take without a model.
        keeps: Whether all updates of all rounds lie on the disk.
    """

    models: float
    models_per_edge: float
    mb: float
    keeps: bool = False


_APPETITES: Final[Mapping[str, Appetite]] = {
    "muster": Appetite(0, 0, 250, keeps=True),
    "sockets": Appetite(3, 4, 50),
    "nvflare": Appetite(9, 7, 220),
    "flower": Appetite(12, 10, 420),
}


def obstacle(case: Case, folder: Path) -> str | None:
    """Why a case is better not run with its files in ``folder``; ``None`` if it fits."""
    needs = _APPETITES[case.system]
    bytes_ = case.megabytes * MB
    memory = bytes_ * (needs.models + needs.models_per_edge * case.edges) + needs.mb * MB * case.edges
    if memory > (free := _available()):
        return f"needs about {memory / _GB:.0f} GB of memory, {free / _GB:.0f} GB are available"
    # An update and a model per round, and what every edge received and made of it.
    disk = bytes_ * ((case.edges + 1) * (case.rounds + 1) + 2 * case.edges) if needs.keeps else 0
    if disk > (free := shutil.disk_usage(folder).free * 0.7):
        return f"needs about {disk / _GB:.0f} GB of disk, {free / _GB:.0f} GB may be filled in {folder}"
    return None


def _available() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
