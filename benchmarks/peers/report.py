"""Tables of results side by side: ``python -m benchmarks.peers.report FILE...``; files, or folders of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.measure.results import MB, Result, quietest, read
from benchmarks.measure.tables import table

NAMES: Final[Mapping[str, str]] = {"muster": "Muster", "sockets": "sockets", "nvflare": "NVFlare", "flower": "Flower"}
_OTHERS: Final = ("sockets", "nvflare", "flower")
_LOUD: Final = 0.1
"""Share of the CPUs used by others from which on seconds are marked."""
_FOOTNOTE: Final = (
    "A star: others used more than a tenth of the CPUs meanwhile, so seconds are too long. A dash: no result. The "
    "median of all rounds but the first; of several runs of a case the one with the least other load."
)

Size = tuple[float, int, int, str]
Cells = Mapping[str, Result]
Value = Callable[[Result], float]


def by_size(results: Sequence[Result]) -> dict[Size, dict[str, Result]]:
    """Size -> system -> its best run, smallest first."""
    found: dict[Size, dict[str, Result]] = {}
    for size in sorted({result.case.size for result in results}):
        for system in NAMES:
            best = quietest(r for r in results if r.case.size == size and r.case.system == system)
            if best is not None:
                found.setdefault(size, {})[system] = best
    return found


def tables(results: Sequence[Result]) -> str:
    """All tables that the results are enough for."""
    sizes = by_size(results)
    parts = [
        _side_by_side("Seconds per round.", sizes, lambda r: r.seconds, "{:.3g}", stars=True),
        _side_by_side("CPU seconds per round, all processes.", sizes, lambda r: r.all_cpu_s, "{:.3g}"),
        _memory(sizes),
        _wire(sizes),
        _targets(sizes),
        _missing(results, sizes),
        _FOOTNOTE,
    ]
    return "\n\n".join(part for part in parts if part)


def _side_by_side(title: str, sizes: Mapping[Size, Cells], value: Value, form: str, *, stars: bool = False) -> str:
    rows = []
    for cells in sizes.values():
        row = [str(next(iter(cells.values())).case)]
        row += [_cell(cells.get(system), value, form, stars=stars) for system in NAMES]
        row += [_over(cells, other, value) for other in _OTHERS]
        rows.append(row)
    columns = ("size", *NAMES.values(), *(f"Muster / {NAMES[other]}" for other in _OTHERS))
    return table(title, columns, rows)


def _cell(result: Result | None, value: Value, form: str, *, stars: bool = False) -> str:
    if result is None or not result.done:
        return "-"
    return form.format(value(result)) + ("*" if stars and result.foreign_share > _LOUD else "")


def ratio(cells: Cells, other: str, value: Value) -> float | None:
    """Muster's value over that of another system; ``None`` if one of them has no result."""
    pair = [cells.get(name) for name in ("muster", other)]
    if any(each is None or not each.done for each in pair):
        return None
    mine, others = (value(each) for each in pair if each is not None)
    return mine / others if others else None


def _over(cells: Cells, other: str, value: Value) -> str:
    found = ratio(cells, other, value)
    return "-" if found is None else f"{found:.3g}"


def _memory(sizes: Mapping[Size, Cells]) -> str:
    def column(group: str) -> Value:
        return lambda r: r.peak_bytes[group] / MB

    rows = []
    for cells in sizes.values():
        muster = cells.get("muster")
        row = [str(next(iter(cells.values())).case)]
        row += [_cell(muster, column(group), "{:.0f}") for group in ("server", "server and broker")]
        row += [_cell(cells.get(other), column("server"), "{:.0f}") for other in _OTHERS]
        row += [_cell(cells.get(system), column("edge"), "{:.0f}") for system in NAMES]
        rows.append(row)
    title = "Most resident memory at any one moment, in MB: all processes of the server's side, and of one edge."
    columns = ("size", "Muster without NATS", "Muster with NATS", *(NAMES[other] for other in _OTHERS))
    return table(title, (*columns, *(f"edge: {name}" for name in NAMES.values())), rows)


def _wire(sizes: Mapping[Size, Cells]) -> str:
    rows = []
    for cells in sizes.values():
        case = next(iter(cells.values())).case
        floor = 2 * case.edges * case.megabytes * MB
        row = [str(case)]
        row += [
            f"{found.loopback_bytes / floor:.2f}"
            if (found := cells.get(system)) is not None and found.loopback_bytes is not None
            else "-"
            for system in NAMES
        ]
        row += [_cell(cells.get(system), lambda r: 100 * (r.equal_share or 0.0), "{:.0f} %") for system in NAMES]
        rows.append(row)
    title = (
        "Bytes over loopback, over those of a model to and an update from every edge (hops between processes of one "
        "side count too); and the share of the final model's numbers that are the exact mean to the last bit."
    )
    return table(title, ("size", *NAMES.values(), *(f"exact: {name}" for name in NAMES.values())), rows)


def _targets(sizes: Mapping[Size, Cells]) -> str:
    """What was aimed at, and what came of it."""
    by_name = {(size[0], size[1]): cells for size, cells in sizes.items() if not size[2] and not size[3]}
    rows = []

    def row(name: str, found: float | None, most: float, form: str = "{:.3g}") -> None:
        if found is not None:
            verdict = "yes" if found <= most else "no"
            rows.append((name, form.format(found), form.format(most), verdict))

    def against(size: tuple[float, int], other: str, value: Value) -> float | None:
        return ratio(by_name[size], other, value) if size in by_name else None

    for size, most in (((1, 8), 0.05), ((1, 32), 0.1), ((100, 8), 0.33)):
        name = f"seconds over NVFlare's, {size[0]} MB x {size[1]}"
        row(name, against(size, "nvflare", lambda r: r.seconds), most)
    row("seconds over those of bare sockets, 100 MB x 8", against((100, 8), "sockets", lambda r: r.seconds), 5)
    for size in by_name:
        name = f"CPU seconds over NVFlare's, {size[0]:g} MB x {size[1]}"
        row(name, against(size, "nvflare", lambda r: r.all_cpu_s), 0.5)
    peaks = [cells["muster"].peak_bytes["server"] / MB for cells in sizes.values() if _is_done(cells.get("muster"))]
    row("MB of memory of the server's side without NATS, at any size", max(peaks, default=None), 400, "{:.0f}")
    row("seconds with 640 arrays over those with 16", _arrays(sizes), 1.1)
    return table("Targets: at most.", ("what", "found", "target", "met"), rows) if rows else ""


def _is_done(result: Result | None) -> bool:
    return result is not None and result.done


def _arrays(sizes: Mapping[Size, Cells]) -> float | None:
    found = {size[2]: cells["muster"].seconds for size, cells in sizes.items() if _is_done(cells.get("muster"))}
    return found[640] / found[16] if {16, 640} <= found.keys() else None


def _missing(results: Sequence[Result], sizes: Mapping[Size, Cells]) -> str:
    """Why there is no result where there is none, and what was measured."""
    lines = [
        f"- {NAMES[system]}, {result.case}: {result.outcome}"
        for cells in sizes.values()
        for system, result in cells.items()
        if not result.done
    ]
    versions = {NAMES[r.case.system]: r.versions for r in results if r.versions}
    told = [f"{name}: {', '.join(f'{p} {v}' for p, v in found.items())}" for name, found in versions.items()]
    return "\n\n".join(
        part for part in ("\n".join(lines), "Measured: " + "; ".join(told) + "." if told else "") if part
    )


if __name__ == "__main__":
    print(tables(read(Path(name) for name in sys.argv[1:])))
