"""Local training, without a federation: the model that one edge makes of its rows in all cycles of a plan.

A process of its own, since which libraries are loaded decides in which order sums are taken: workers load the
framework and nothing else.

Usage: alone.py MODEL TABLE SEED OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.accuracy.data import parted
from benchmarks.accuracy.learning import Learner
from benchmarks.accuracy.models import model
from training.weights import write_weights


def main(name: str, table: str, seed: int, out: Path) -> None:
    """Train, and write the weights."""
    found = parted(table, seed, edges=1)
    write_weights(out, Learner(model(name), found.task, seed).alone(found.pooled))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
