"""Every model on every table that it can learn from, in federation and pooled."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from benchmarks.accuracy import page
from benchmarks.accuracy.data import names
from benchmarks.accuracy.learning import compared
from benchmarks.accuracy.models import model, models

SKEWS: Final = (0.0, 0.5, 1.0)
SKEWED: Final = ("torch/logistic_classifier.py", "digits")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--deals", type=int, default=5, help="how often the rows are dealt anew")
    parser.add_argument("--only", default="", help="models whose path has this in it")
    parser.add_argument(
        "--write", action="store_true", help="write docs/explanation/accuracy.md and the models' README"
    )
    return parser.parse_args()


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor]:
    """One process after the other, each for one piece of work: frameworks keep what they made until they end."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as found:
        yield found


def main() -> None:
    """Learn everything, and print the tables."""
    wanted = arguments()
    with processes() as apart:
        learn(wanted, apart)


def learn(wanted: argparse.Namespace, apart: ProcessPoolExecutor) -> None:
    """What ``main`` does, with work done apart."""
    rows: list[page.Row] = []
    for each in models():
        if wanted.only not in each.name:
            continue
        for data in names(classes=each.classifies):
            rows.append((each, data, apart.submit(compared, each, data, wanted.deals).result()))
            print(f"{each.name} on {data}: {page.lost(rows[-1][2]):+.2f} lost", file=sys.stderr, flush=True)
    print(page.main_table(rows))
    if wanted.only:
        return
    shown = model(SKEWED[0])
    skewed = {
        (skew, strategy): apart.submit(compared, shown, SKEWED[1], wanted.deals, strategy, skew).result()
        for skew in SKEWS
        for strategy in shown.strategies
    }
    print(page.skew_table(skewed))
    if wanted.write:
        page.write(rows, skewed, SKEWED)


if __name__ == "__main__":
    main()
