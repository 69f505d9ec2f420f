"""How the cost of coordinating grows with the number of edges and with the length of the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.measure.tables import table
from benchmarks.town.course import Lap
from benchmarks.town.names import EDGES
from benchmarks.town.town import SERVER
from bus.events.cycles import CycleKind

MIB: Final = 1024 * 1024
_PARTS: Final = 10
_WARNINGS: Final = 8


@dataclass(frozen=True)
class Row:
    """Experiments in a row, in one federation.

    Attributes:
        edges: Of the federation.
        experiments: How many.
        cycles: Training cycles of each.
    """

    edges: int
    experiments: int
    cycles: int

    @classmethod
    def parse(cls, text: str) -> Row:
        """From ``EDGES:EXPERIMENTSxCYCLES``; a ``ValueError`` if it is not that."""
        edges, _, rest = text.partition(":")
        experiments, _, cycles = rest.partition("x")
        return cls(int(edges), int(experiments), int(cycles))


@dataclass(frozen=True)
class Size:
    """What one size of the federation cost.

    Attributes:
        edges: How many.
        took_s: Step of the setting up -> seconds.
        configuration_bytes: Of the server.
        warnings: In the logs of its processes: text -> how often.
        rest: A while without experiments.
        laps: All cycles of one experiment.
    """

    edges: int
    took_s: Mapping[str, float]
    configuration_bytes: int
    warnings: Mapping[str, int]
    rest: Lap
    laps: tuple[Lap, ...]

    @property
    def training(self) -> list[Lap]:
        """The cycles in which all edges train."""
        return [lap for lap in self.laps if lap.kind is CycleKind.TRAIN]

    @property
    def seconds_per_cycle(self) -> float:
        """How long a training cycle took."""
        return sum(lap.wall_s for lap in self.training) / len(self.training)

    def ms_per(self, service: str, unit: Callable[[Lap], int], *, leases: bool = True) -> float:
        """CPU milliseconds of a service per unit of work in training cycles; ``leases``: with what they cost too."""
        laps = self.training
        cpu_s = sum(lap.cpu_s(service) for lap in laps)
        if not leases:
            cpu_s -= self.rest.cpu_s(service) / max(1, self.rest.renewals) * sum(lap.renewals for lap in laps)
        return 1000 * cpu_s / sum(unit(lap) for lap in laps)


def by_size(sizes: Sequence[Size]) -> str:
    """The tables about sizes."""
    return "\n\n".join((_cycles(sizes), _memory(sizes), _rest(sizes), _setup(sizes), *_warnings(sizes), _linear(sizes)))


def _warnings(sizes: Sequence[Size]) -> list[str]:
    """The commonest warnings of each size that had some."""
    found = [(s.edges, sorted(s.warnings.items(), key=lambda w: -w[1])[:_WARNINGS]) for s in sizes if s.warnings]
    return [
        f"Warnings at {edges} edges:\n\n" + "\n".join(f"- {n} x {text}" for text, n in most) for edges, most in found
    ]


def _events(lap: Lap) -> int:
    return lap.events


def _updates(lap: Lap) -> int:
    return lap.updates


def _cycles(sizes: Sequence[Size]) -> str:
    columns = (
        "edges",
        "s per cycle",
        "of it averaging",
        "events per cycle",
        "coordinator ms per event",
        "without leases",
        "policy engine",
        "audit sink",
        "server",
        "aggregator ms per update",
        "an edge's ms per update",
    )
    rows = [
        (
            f"{size.edges}",
            f"{size.seconds_per_cycle:.2f}",
            f"{sum(lap.averaging_s for lap in size.training) / len(size.training):.2f}",
            f"{sum(lap.events for lap in size.training) / len(size.training):.0f}",
            f"{size.ms_per('coordinator', _events):.2f}",
            f"{size.ms_per('coordinator', _events, leases=False):.2f}",
            f"{size.ms_per('policy_engine', _events):.2f}",
            f"{size.ms_per('audit_sink', _events):.2f}",
            f"{size.ms_per(SERVER, _events):.2f}",
            f"{size.ms_per('aggregator', _updates):.2f}",
            f"{size.ms_per(EDGES, _updates):.2f}",
        )
        for size in sizes
    ]
    return table("A training cycle over all edges: CPU milliseconds.", columns, rows)


def _memory(sizes: Sequence[Size]) -> str:
    names = ("coordinator", "aggregator", "policy_engine", "audit_sink", SERVER)
    rows = [(f"{s.edges}", *(f"{s.laps[-1].end.usage[n].peak_bytes / MIB:.0f}" for n in names)) for s in sizes]
    return table("Most memory, in MiB.", ("edges", *names), rows)


def _rest(sizes: Sequence[Size]) -> str:
    names = ("coordinator", "aggregator", "policy_engine", "audit_sink", SERVER, EDGES)
    rows = [
        (f"{s.edges}", *(f"{100 * s.rest.cpu_s(n) / s.rest.wall_s:.1f}" for n in names), _renewals(s)) for s in sizes
    ]
    columns = ("edges", *names, "renewals per s")
    return table("At rest, with nothing but leases: per cent of a core.", columns, rows)


def _renewals(size: Size) -> str:
    return f"{size.rest.renewals / size.rest.wall_s:.0f}"


def _setup(sizes: Sequence[Size]) -> str:
    steps = ("keys", "consumers", "registrations", "edges")
    rows = [
        (
            f"{s.edges}",
            *(f"{s.took_s[step]:.1f}" for step in steps),
            f"{s.configuration_bytes / 1024:.0f}",
            f"{sum(s.warnings.values())}",
        )
        for s in sizes
    ]
    columns = (
        "edges",
        "keys s",
        "consumers s",
        "registrations s",
        "until all are live s",
        "server.conf KiB",
        "warnings in logs",
    )
    return table("Setting up.", columns, rows)


def _linear(sizes: Sequence[Size]) -> str:
    """Cost per edge at the largest size over that at 100 edges: 1 is linear."""
    base = next((size for size in sizes if size.edges == 100), sizes[0])
    top = sizes[-1]
    costs: dict[str, Callable[[Size], float]] = {
        "seconds per cycle and edge": lambda size: size.seconds_per_cycle / size.edges,
        "coordinator ms per event": lambda size: size.ms_per("coordinator", _events),
        "coordinator ms per event, without leases": lambda size: size.ms_per("coordinator", _events, leases=False),
        "aggregator ms per update": lambda size: size.ms_per("aggregator", _updates),
        "server ms per event, without leases": lambda size: size.ms_per(SERVER, _events, leases=False),
    }
    rows = [(name, _ratio(cost(top), cost(base))) for name, cost in costs.items()]
    title = f"Cost per edge at {top.edges} edges over that at {base.edges}: 1 is linear."
    return table(title, ("cost", "ratio"), rows)


def _ratio(top: float, base: float) -> str:
    # The kernel counts CPU time in hundredths of a second: so little may be none, or less than none without leases.
    return f"{top / base:.2f}" if base > 0 else "too little to tell"


def by_tenth(laps: Sequence[Lap], row: Row) -> str:
    """The table about history: all cycles in a row, in ten parts."""
    parts = [laps[len(laps) * n // _PARTS : len(laps) * (n + 1) // _PARTS] for n in range(_PARTS)]
    names = ("coordinator", "policy_engine", "audit_sink", SERVER)
    columns = (
        "tenth",
        "events so far",
        "s per cycle",
        *(f"{n} ms per event" for n in names),
        *(f"{n} MiB" for n in names),
    )
    rows, total = [], 0
    for number, part in enumerate((part for part in parts if part), 1):
        events = sum(lap.events for lap in part)
        total += events
        rows.append(
            (
                f"{number}",
                f"{total}",
                f"{sum(lap.wall_s for lap in part) / len(part):.2f}",
                *(f"{1000 * sum(lap.cpu_s(n) for lap in part) / events:.2f}" for n in names),
                *(f"{part[-1].end.rss(n) / MIB:.0f}" for n in names),
            )
        )
    growth = _growth(parts[:5], parts[5:])
    title = f"{row.experiments} experiments of {row.cycles} training cycles in a row over {row.edges} edges, in tenths."
    return f"{table(title, columns, rows)}\n\n{growth}"


def _growth(early: Sequence[Sequence[Lap]], late: Sequence[Sequence[Lap]]) -> str:
    """One line: the second half of a row of experiments against the first."""
    halves = [[lap for part in half for lap in part] for half in (early, late)]
    costs = [[sum(lap.cpu_s(n) for lap in half) for n in ("coordinator", "policy_engine")] for half in halves]
    events = [sum(lap.events for lap in half) for half in halves]
    ratio = (costs[1][0] / events[1]) / (costs[0][0] / events[0])
    yardstick = (costs[1][1] / events[1]) / (costs[0][1] / events[0])
    grown = halves[1][-1].end.rss("coordinator") - halves[0][-1].end.rss("coordinator")
    return (
        f"Second half over first: coordinator ms per event {ratio:.2f} (policy engine, which only verifies and folds "
        f"the same events: {yardstick:.2f}); coordinator's memory {grown / events[1]:+.0f} bytes per event."
    )
