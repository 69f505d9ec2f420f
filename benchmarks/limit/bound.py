"""The least that a cycle can cost: every byte, times the passes that it needs, times what a pass costs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.limit import primitives, wire
from benchmarks.measure.results import MB, Case

_WIRE_BYTES: Final = 512 * 1024 * 1024

PASSES: Final[Mapping[str, tuple[float, float]]] = {
    "into the stream": (1, 1),
    "out of the stream": (2, 0),
    "seal": (1, 1),
    "open": (2, 0),
    "digest": (1, 1),
    "add up": (1, 0),
    "copy": (1, 0),
    "write a file": (2, 0),
    "read a file": (2, 0),
}
"""Step -> passes over a model's bytes for every edge, and once per cycle whatever their number.

For every edge: its update goes into the stream and comes out at the aggregator, the model comes out at the edge; each
is opened, the update is sealed, hashed once to have a name, and added up; the edge writes the model to a file, its
worker reads it, changes it (a copy in memory) and writes another, which is read to be sealed. Once: the outcome is
sealed, hashed and put into the stream.
"""


@dataclass(frozen=True)
class Bound:
    """The least for one size.

    Attributes:
        cpu_s: CPU seconds of each step.
        seconds: Of the clock: all of them on all cores, or the stream at the speed at which it takes data, if that is
            longer.
    """

    cpu_s: Mapping[str, float]
    seconds: float

    @property
    def all_cpu_s(self) -> float:
        """Sum of the steps."""
        return sum(self.cpu_s.values())


@dataclass(frozen=True)
class Machine:
    """What steps cost here.

    Attributes:
        per_byte: Step -> CPU seconds per byte.
        stream_s: Seconds of the clock per byte into the stream, which syncs what it takes to disk.
        cores: How many.
    """

    per_byte: Mapping[str, float]
    stream_s: float
    cores: int

    def bound(self, case: Case) -> Bound:
        """The least for one case."""
        size = case.megabytes * MB
        cpu = {step: size * (each * case.edges + once) * self.per_byte[step] for step, (each, once) in PASSES.items()}
        each, once = PASSES["into the stream"]
        taken = size * (each * case.edges + once) * self.stream_s
        return Bound(cpu, max(sum(cpu.values()) / self.cores, taken))


async def machine(cores: int) -> Machine:
    """Measure all steps now."""
    up, down = await wire.measured(_WIRE_BYTES)
    write, read = primitives.files()
    per_byte = {
        "into the stream": up.cpu_s,
        "out of the stream": down.cpu_s,
        "seal": primitives.seal(),
        "open": primitives.unseal(),
        "digest": primitives.digest(),
        "add up": primitives.add(),
        "copy": primitives.copy(),
        "write a file": write,
        "read a file": read,
    }
    return Machine(per_byte, up.wall_s, cores)
