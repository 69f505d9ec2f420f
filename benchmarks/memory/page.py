"""What the measurements say: two tables, two curves, one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.measure.results import EDGE, MB, SERVER, Result
from benchmarks.measure.tables import table
from benchmarks.memory.curve import Points, draw

AGGREGATOR: Final = f"{SERVER}-aggregator"
_PAGE: Final = """# Memory

Neither the aggregator nor an edge's daemon is to hold a whole model: transport, sealing, opening, summing and sending
go chunk by chunk of 512 KiB. So resident memory shall not grow with the model. With the number of edges, the
aggregator's grows by two chunks each and what is under way to it.

What is measured: `python -m benchmarks.memory` runs a federation of real processes for each point, with echo training
in the worker's place, and takes the kernel's record of the most resident memory that the process of the aggregator,
and of an edge, ever had (`VmHWM`). The interpreter and its libraries are most of it.

{tables}

![over the model's size](memory-model.svg)

![over the number of edges](memory-edges.svg)
"""


def edge_bytes(result: Result) -> int:
    """Most memory of any edge's process."""
    return max(size for role, size in result.process_bytes.items() if role.startswith(EDGE))


def tables(by_model: Sequence[Result], by_edges: Sequence[Result]) -> str:
    """Both, in Markdown."""
    parts = []
    for title, first, results, value in (
        (f"{_edges(by_model)} edges, models of different sizes.", "MB", by_model, lambda r: r.case.megabytes),
        (f"A model of {_size(by_edges)} MB, different numbers of edges.", "edges", by_edges, lambda r: r.case.edges),
    ):
        rows = [
            (f"{value(r):g}", f"{r.process_bytes[AGGREGATOR] / MB:.0f}", f"{edge_bytes(r) / MB:.0f}") for r in results
        ]
        if rows:
            parts.append(table(title, (first, "aggregator MB", "edge daemon MB"), rows))
    return "\n\n".join(parts)


def write(folder: Path, by_model: Sequence[Result], by_edges: Sequence[Result]) -> None:
    """Write the page and its curves."""
    (folder / "memory.md").write_text(_PAGE.format(tables=tables(by_model, by_edges)))
    sizes: Points = [(r.case.megabytes, r.process_bytes[AGGREGATOR] / MB) for r in by_model]
    daemons: Points = [(r.case.megabytes, edge_bytes(r) / MB) for r in by_model]
    title = f"Most resident memory, {_edges(by_model)} edges"
    lines = {"aggregator": sizes, "edge daemon": daemons}
    (folder / "memory-model.svg").write_text(draw(title, "size of the model, MB", lines))
    counts: Points = [(r.case.edges, r.process_bytes[AGGREGATOR] / MB) for r in by_edges]
    others: Points = [(r.case.edges, edge_bytes(r) / MB) for r in by_edges]
    title = f"Most resident memory, model of {_size(by_edges)} MB"
    lines = {"aggregator": counts, "edge daemon": others}
    (folder / "memory-edges.svg").write_text(draw(title, "edges", lines))


def _edges(results: Sequence[Result]) -> str:
    return "/".join(sorted({f"{r.case.edges}" for r in results}))


def _size(results: Sequence[Result]) -> str:
    return "/".join(sorted({f"{r.case.megabytes:g}" for r in results}))
