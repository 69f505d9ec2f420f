"""``python -m benchmarks.scale``: see ``--help`` and ``benchmarks/README.md``."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks.scale import tables
from benchmarks.scale.tables import Row, Size
from benchmarks.town.course import Lap, in_town
from benchmarks.town.town import Plan, print_profile, running

_ROWS = "experiments in a row in one federation, to see what history costs"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=tables.__doc__)
    add = parser.add_argument
    add("--edges", type=int, nargs="*", default=[10, 100, 300, 1000], help="sizes of the federation")
    add("--cycles", type=int, default=3, help="least training cycles of the experiment at each size")
    add(
        "--updates", type=int, default=1000, help="least updates in them: CPU time is counted in hundredths of a second"
    )
    add("--rest-s", type=float, default=8.0, help="how long to look at each size while nothing happens")
    add(
        "--rows",
        type=Row.parse,
        nargs="*",
        default=[Row(50, 12, 20), Row(10, 200, 1)],
        metavar="EDGES:EXPERIMENTSxCYCLES",
        help=_ROWS,
    )
    add("--drivers", type=int, default=2, help="processes that the edges are shared out among")
    add("--parameters", type=int, default=1000, help="numbers in a model, of four bytes each")
    add("--lease-s", type=float, default=10.0, help="lease time of edges and services")
    add("--limit-s", type=float, default=600.0, help="longest time for one size")
    add("--profile", help="run this service under cProfile and print where its time goes")
    return parser.parse_args()


async def at_size(plan: Plan, cycles: int, wanted: argparse.Namespace) -> Size:
    """One experiment in a federation of one size."""
    with tempfile.TemporaryDirectory() as folder:
        async with asyncio.timeout(wanted.limit_s), running(Path(folder), plan) as town, in_town(town) as course:
            configuration_bytes = town.configuration_bytes
            rest = await course.rest(wanted.rest_s)
            await course.run(cycles)
        print_profile(town)
        return Size(plan.edges, town.took_s, configuration_bytes, town.warnings(), rest, tuple(course.laps))


async def in_a_row(plan: Plan, row: Row, limit_s: float) -> tuple[Lap, ...]:
    """Many experiments, one after the other, in one federation."""
    with tempfile.TemporaryDirectory() as folder:
        async with asyncio.timeout(limit_s), running(Path(folder), plan) as town, in_town(town) as course:
            for _ in range(row.experiments):
                await course.run(row.cycles)
        print_profile(town)
        return tuple(course.laps)


async def main(wanted: argparse.Namespace) -> None:
    """Run what was asked for, and print the tables."""

    def plan(edges: int) -> Plan:
        drivers = min(wanted.drivers, edges)
        arguments = (str(wanted.parameters),)
        return Plan(edges, drivers, wanted.lease_s, "benchmarks.scale.edges", arguments, wanted.profile)

    sizes = []
    for edges in wanted.edges:
        cycles = max(wanted.cycles, -(-wanted.updates // edges))
        sizes.append(await at_size(plan(edges), cycles, wanted))
    if sizes:
        print(tables.by_size(sizes), end="\n\n", flush=True)
    for row in wanted.rows:
        laps = await in_a_row(plan(row.edges), row, wanted.limit_s)
        print(tables.by_tenth(laps, row), end="\n\n", flush=True)


if __name__ == "__main__":
    asyncio.run(main(arguments()))
