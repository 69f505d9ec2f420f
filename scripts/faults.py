"""The campaign of faults on real processes: ``scripts/faults.py --seeds 200``; see docs/explanation/faults.md."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

import typer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.disk import can_mount  # noqa: E402
from support.faults import Outcome, campaign, table  # noqa: E402

PAGE = ROOT / "docs" / "explanation" / "faults.md"
BEGIN, END = "<!-- campaign: written by make faults -->", "<!-- campaign: end -->"


def main(
    seeds: int = typer.Option(200, help="How many schedules."),
    first: int = typer.Option(1000, help="The first seed."),
    write: bool = typer.Option(False, "--write", help=f"Put the table into {PAGE.relative_to(ROOT)}."),  # noqa: FBT001, FBT003
) -> None:
    """Run experiments under seeded schedules of faults; the exit status is 1 if one went wrong."""
    logging.basicConfig(level=logging.CRITICAL)
    if not can_mount():
        sys.exit("disks are filled in file systems of their own: run this as root")
    folder = Path(tempfile.mkdtemp(prefix="muster-faults-"))
    began = time.monotonic()
    outcomes = asyncio.run(run(folder, range(first, first + seeds)))
    text = table(outcomes, time.monotonic() - began)
    print(f"\n{text}")
    if write:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    if not all(outcome.good for outcome in outcomes):
        print(f"\nlogs are in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


async def run(folder: Path, seeds: range) -> list[Outcome]:
    """All schedules, told one by one."""
    outcomes: list[Outcome] = []
    async for outcome in campaign(folder, seeds):
        outcomes.append(outcome)
        print(f"[{len(outcomes)}/{len(seeds)}] {outcome}", flush=True)
    return outcomes


if __name__ == "__main__":
    typer.run(main)
