"""One cycle of a model of billions of parameters, with two edges: ``python benchmarks/large.py --gigabytes 12``.

Nothing here or in Muster holds the model in memory; the disk must hold it several times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.measure.ending import tidy_on_request
from benchmarks.measure.results import MB, Case
from benchmarks.weights.__main__ import SYSTEM, show
from benchmarks.weights.case import Wanted, run
from bus.events.weights import JETSTREAM, S3
from muster.federation.store import Store
from support.weed import ADMIN, key_of, running_weed

_GB: Final = 1000 * MB
_MARGIN: Final = 1.1


def needed(megabytes: float, edges: int, rounds: int) -> int:
    """Bytes of disk for a case.

    In the store: the first model twice (as one edge's update and as the outcome), then an update of every edge and an
    outcome per cycle. At each edge: what it received and what it made of it.
    """
    return int(megabytes * MB * _MARGIN * (2 + rounds * (edges + 1) + 2 * edges))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--gigabytes", type=float, default=12.0, help="size of the model; 12 are three billion float32")
    add("--edges", type=int, default=2)
    add("--rounds", type=int, default=1, help="training cycles")
    add("--store", choices=(JETSTREAM, S3), default=JETSTREAM, help="where sealed weights lie; s3 is a SeaweedFS here")
    add("--folder", type=Path, default=Path(tempfile.gettempdir()), help="disk for everything")
    add("--limit-s", type=float, default=4 * 3600.0)
    add("--out", type=Path, help="file to append a line of JSON to")
    return parser.parse_args()


@contextmanager
def s3_store(folder: Path) -> Iterator[Store]:
    """A SeaweedFS with one key for everybody: who may do what is not what is measured."""
    with running_weed(folder) as weed:
        keys = folder / "keys.json"
        keys.write_text(json.dumps({"*": key_of(ADMIN)}))
        yield Store.read(f"{weed.endpoint}/{weed.bucket()}", keys)


def main() -> None:
    """Run it, if there is room."""
    wanted = arguments()
    tidy_on_request()
    megabytes = wanted.gigabytes * 1000
    needs, free = needed(megabytes, wanted.edges, wanted.rounds), shutil.disk_usage(wanted.folder).free
    if needs > free:
        raise SystemExit(
            f"{wanted.gigabytes:g} GB with {wanted.edges} edges need about {needs / _GB:.0f} GB of disk, and "
            f"{free / _GB:.0f} GB are free in {wanted.folder}: name another disk with --folder, or a smaller size with "
            "--gigabytes"
        )
    case = Case(SYSTEM, megabytes, wanted.edges, wanted.rounds, variant="" if wanted.store == JETSTREAM else S3)
    how = Wanted(case, wanted.edges, wanted.limit_s, disk_bytes=needs, folder=wanted.folder)
    if wanted.store == S3:
        with tempfile.TemporaryDirectory(dir=wanted.folder) as folder, s3_store(Path(folder)) as store:
            result = asyncio.run(run(how.beside(store), own_network=False))
    else:
        result = asyncio.run(run(how, own_network=False))
    if wanted.out is not None:
        result.append(wanted.out)
    print(show(result))


if __name__ == "__main__":
    main()
