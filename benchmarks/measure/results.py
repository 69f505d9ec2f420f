"""What a case came to, as lines of JSON that further runs append to."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

DONE: Final = "done"
MB: Final = 1_000_000
SERVER: Final = "server"
"""Prefix of the roles of the server's side, but for the broker."""
BROKER: Final = "broker"
"""Role of a message broker that is a part of the server's side."""
EDGE: Final = "edge"
"""Prefix of the roles of edges: ``edge-0``."""


@dataclass(frozen=True)
class Case:
    """What is run.

    Attributes:
        system: On which platform.
        megabytes: Size of the model, in millions of bytes of float32.
        edges: How many.
        rounds: Training rounds.
        arrays: So many equal arrays; 0 for the layers of a transformer.
        seed: Of the first model.
        variant: What is different from the system's usual case, e.g. the store.
    """

    system: str
    megabytes: float
    edges: int
    rounds: int
    arrays: int = 0
    seed: int = 1
    variant: str = ""

    @property
    def size(self) -> tuple[float, int, int, str]:
        """What must be equal to be compared."""
        return (self.megabytes, self.edges, self.arrays, self.variant)

    def __str__(self) -> str:
        arrays = f", {self.arrays} arrays" if self.arrays else ""
        variant = f", {self.variant}" if self.variant else ""
        return f"{self.megabytes:g} MB x {self.edges}{arrays}{variant}"


def per_round(value: float | None, rounds: int) -> int | None:
    """A count of all rounds, for one."""
    return None if value is None else int(value / rounds)


@dataclass(frozen=True)
class Result:
    """What came of it.

    Attributes:
        case: What was run.
        outcome: ``done``, or why it is not.
        round_s: Seconds of each round, the first one too.
        start_s: From the first process to the first round.
        cpu_s: Role -> CPU seconds per round, over all rounds but the first.
        peak_bytes: Group of processes -> most resident memory at any one moment, together: ``server`` without a broker,
            ``server and broker``, ``edge`` for that edge which had most.
        process_bytes: Role -> highest resident memory of any one process, by the kernel's record.
        loopback_bytes: Per round, everything over loopback; ``None`` in a network that is shared with others.
        equal_share: Of the compared numbers, those that are right to the last bit.
        ulps: Largest difference, in units in the last place of the largest number.
        foreign_share: Of the CPUs, used by others meanwhile: above a tenth, do not trust seconds.
        cores: Of the machine.
        versions: Of what was measured.
        when: UTC.
        notes: What else was found.
    """

    case: Case
    outcome: str
    round_s: tuple[float, ...] = ()
    start_s: float = 0.0
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: Mapping[str, int] = field(default_factory=dict)
    process_bytes: Mapping[str, int] = field(default_factory=dict)
    loopback_bytes: int | None = None
    equal_share: float | None = None
    ulps: float | None = None
    foreign_share: float = 0.0
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    versions: Mapping[str, str] = field(default_factory=dict)
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    notes: Mapping[str, float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.outcome == DONE

    @property
    def seconds(self) -> float:
        """Median of the rounds behind the first, which warms everything up; of the first if it is the only one."""
        return statistics.median(self.round_s[1:] or self.round_s)

    @property
    def all_cpu_s(self) -> float:
        """CPU seconds per round of all its processes."""
        return sum(self.cpu_s.values())

    @classmethod
    def parse(cls, line: str) -> Self:
        """From a line."""
        content: dict[str, Any] = json.loads(line)
        content["case"], content["round_s"] = Case(**content["case"]), tuple(content["round_s"])
        return cls(**content)

    def append(self, path: Path) -> None:
        """Write it behind what is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(self)) + "\n")


def read(paths: Iterable[Path]) -> list[Result]:
    """All results in files, and in the ``*.jsonl`` of folders."""
    files = [file for path in paths for file in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])]
    return [Result.parse(line) for file in files for line in file.read_text().splitlines() if line]


def quietest(results: Iterable[Result]) -> Result | None:
    """Of repeated runs of a case, the one that came to its end with the least other work on the machine."""
    found = list(results)
    return min(found, key=lambda r: (not r.done, r.foreign_share), default=None)
