"""What the edges of a benchmark hold: a few rows each, which nobody learns from, but whose counts are weights."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from pydantic import SecretStr

from benchmarks.echo import workload
from benchmarks.town.names import DATASET
from benchmarks.weights.edges import registration_of
from bus.events.base import DatasetId, PrincipalId
from ingest.config import IngestConfig
from ingest.domain.profile import Category
from ingest.domain.registration import Consent, registration
from ingest.run import ingest
from muster.federation.layout import Layout


async def furnish(layout: Layout) -> None:
    """Give every edge a data store, as ``muster ingest`` makes it: taken in once, copied to all."""
    edges = layout.read().edges
    folder = layout.directory / "ingest"
    folder.mkdir()
    store = folder / "store.sqlite"
    rows = workload.examples(len(edges) - 1)
    report = await ingest(
        IngestConfig(
            dataset=DatasetId(DATASET),
            category=Category("tabular_classification"),
            train=_csv(folder / "train.csv", rows),
            test=_csv(folder / "test.csv", rows),
            target="y",
            store=SecretStr(f"sqlite+aiosqlite:///{store}"),
            infer=True,
        )
    )
    for edge in edges:
        event = registration(report.profile, PrincipalId(edge), report.revision, Consent())
        assert event is not None
        data = layout.data(edge)
        data.mkdir(parents=True)
        shutil.copy(store, data / "store.sqlite")
        registration_of(layout, edge).write_text(event.model_dump_json())


def _csv(path: Path, rows: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("x", "y"))
        writer.writerows((f"{row / 7:.6f}", "yes" if row % 2 else "no") for row in range(rows))
    return path
