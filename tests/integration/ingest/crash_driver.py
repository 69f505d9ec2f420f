"""Runs an ingest again and again, killed at the first, second, ... statement or commit, until one survives.

Each file comes with a test part beside it, ``OLD.test.csv`` and ``NEW.test.csv``: both parts come in together.

Usage: ``python crash_driver.py STORE_URL MODE OLD.csv NEW.csv``. Prints one JSON object per killed run: what a reader
finds after the kill, what it finds after the next run, and what is left over then.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from contracts.ingest import reader
from ingest.config import IngestConfig, make_config
from ingest.run import ingest
from ingest.store import Store

URL, MODE = sys.argv[1:3]
OLD, NEW = map(Path, sys.argv[3:5])


def config(source: Path, mode: str) -> IngestConfig:
    return make_config(
        {
            "dataset": "d",
            "category": "tabular_classification",
            "train": source,
            "test": source.with_suffix(".test.csv"),
            "target": "kind",
            "schema": {"age": "INT", "kind": "VARCHAR(9)"},
            "store": URL,
            "mode": mode,
            "batch_size": 2,
        }
    )


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a process of its own; returns how it ended (0, or minus the signal)."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at(number: int) -> None:
    """Ingest the new file, and die before the statement or commit with this number."""
    count = 0

    def tick(*_: object) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", tick)
    event.listen(Engine, "commit", tick)
    asyncio.run(ingest(config(NEW, MODE)))


def reset() -> None:
    asyncio.run(_reset())


async def _reset() -> None:
    async with Store.open(URL) as store:
        if "d" in await store.names():
            await store.delete("d")
    if MODE != "create":
        await ingest(config(OLD, "create"))


def both() -> list[object] | None:
    """What a reader finds in the training and the test part."""
    parts = [reader.read_split(URL, "d", split) for split in ("train", "test")]
    return None if parts == [None, None] else list(parts)


def once(number: int) -> bool:
    """One round; returns whether the run was killed."""
    assert in_child(reset) == 0
    ended = in_child(lambda: killed_at(number))
    found = both()
    assert in_child(lambda: asyncio.run(ingest(config(NEW, MODE)))) == 0
    again, left = both(), reader.leftovers(URL)
    turn = {"number": number, "ended": ended, "found": found, "again": again, "left": str(left)}
    sys.stdout.write(json.dumps(turn) + "\n")
    sys.stdout.flush()
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


number = 1
while once(number):
    number += 1
