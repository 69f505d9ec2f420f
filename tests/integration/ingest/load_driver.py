"""Ingests one file and prints its progress: ``python load_driver.py STORE_URL FILE BATCH_ROWS``."""

from __future__ import annotations

import asyncio
import sys

from ingest.config import make_config
from ingest.domain.profile import Split
from ingest.run import ingest

CONFIG = make_config(
    {
        "dataset": "big",
        "category": "tabular_classification",
        "train": sys.argv[2],
        "target": "kind",
        "infer": True,
        "store": sys.argv[1],
        "batch_size": int(sys.argv[3]),
    }
)


def tell(_: Split, step: str, rows: int) -> None:
    sys.stdout.write(f"{step} {rows}\n")
    sys.stdout.flush()


asyncio.run(ingest(CONFIG, progress=tell))
