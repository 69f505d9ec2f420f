"""``python -m benchmarks.folding``: is it worth folding updates as they arrive, instead of all in step at the close?

Folding early means that the accumulator of the whole model waits on disk between arrivals: each arrival reads it,
adds, and writes it back. In step, each update is read once and nothing else is. Both give the same bytes, which is
checked. What counts for a cycle is the work after the last arrival, since the earlier part of an early fold happens
while others still train.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from aggregator.domain.reductions import accumulator, restore

_BLOCK: Final = 128 * 1024
"""Elements of four bytes: a chunk."""
_MB: Final = 1e6


def blocks(path: Path) -> Iterator[np.ndarray]:
    """A file of float32, block by block."""
    with path.open("rb") as file:
        while data := file.read(_BLOCK * 4):
            yield np.frombuffer(data, np.float32)


def in_step(updates: list[Path], out: Path) -> None:
    """All updates at once, block by block."""
    with out.open("wb") as file:
        for row in zip(*map(blocks, updates), strict=True):
            fold = accumulator("mean", "F32", row[0].size, len(updates))
            for values in row:
                fold.add(values, 1)
            file.write(fold.result().tobytes())


def one_more(update: Path, before: Path | None, after: Path, most: int) -> None:
    """An arrival: the accumulator of every block read, added to, and written."""
    with after.open("wb") as out:
        kept = before.open("rb") if before is not None else None
        for values in blocks(update):
            fold = accumulator("mean", "F32", values.size, most) if kept is None else restore(_record(kept))
            fold.add(values, 1)
            content = fold.to_bytes()
            out.write(len(content).to_bytes(8, "little") + content)
        out.flush()
        os.fsync(out.fileno())
        if kept is not None:
            kept.close()


def _record(file: BinaryIO) -> bytes:
    return file.read(int.from_bytes(file.read(8), "little"))


def finish(kept: Path, out: Path) -> None:
    """The mean from the accumulators."""
    with kept.open("rb") as file, out.open("wb") as target:
        while size := file.read(8):
            target.write(restore(file.read(int.from_bytes(size, "little"))).result().tobytes())


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - wall, time.process_time() - cpu


def main(megabytes: int, updates: int) -> None:
    """Print the table."""
    chance = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [folder / f"update-{n}" for n in range(updates)]
        for file in files:
            file.write_bytes(chance.standard_normal(int(megabytes * _MB) // 4, np.float32).tobytes())
        wall, cpu = timed(lambda: in_step(files, folder / "step"))
        kept: Path | None = None
        arrivals = []
        for number, file in enumerate(files):
            after = folder / f"kept-{number}"
            arrivals.append(timed(lambda f=file, k=kept, a=after: one_more(f, k, a, updates)))  # type: ignore[misc]
            if kept is not None:
                kept.unlink()
            kept = after
        assert kept is not None
        size = kept.stat().st_size
        last = timed(lambda: finish(kept, folder / "early"))
        same = {hashlib.sha256((folder / each).read_bytes()).hexdigest() for each in ("step", "early")}
        assert len(same) == 1, "the two ways differ"
    print(f"{updates} updates of {megabytes} MB; the accumulator on disk has {size / _MB:.0f} MB.\n")
    print("| way | after the last arrival: s | CPU s | in all: s | CPU s |\n| :-- | --: | --: | --: | --: |")
    print(f"| in step, at the close | {wall:.2f} | {cpu:.2f} | {wall:.2f} | {cpu:.2f} |")
    tail = tuple(arrivals[-1][n] + last[n] for n in (0, 1))
    whole = tuple(sum(a[n] for a in arrivals) + last[n] for n in (0, 1))
    print(f"| as they arrive | {tail[0]:.2f} | {tail[1]:.2f} | {whole[0]:.2f} | {whole[1]:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folding", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--updates", type=int, default=8)
    wanted = parser.parse_args()
    main(wanted.megabytes, wanted.updates)
