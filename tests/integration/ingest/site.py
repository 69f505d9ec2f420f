"""One hospital's site: settings, keys, CSV files, and ``python -m ingest`` as a process."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sklearn.datasets import load_breast_cancer

from bus.events.datasets import DatasetRegistered
from bus.jetstream import Endpoint, JetStreamBroker
from bus.wire.message import Message
from bus.wire.topology import StreamName
from support import people

EDGE = "hospital-a"
MARKER = "Zaphod-Beeblebrox-4711"
"""A cell of the column ``note``."""
ROOT = Path(__file__).parents[3]
TRAIN_ROWS = 455


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    result: dict[str, Any]
    errors: str


@dataclass(frozen=True)
class Site:
    """Everything is below ``folder``."""

    folder: Path
    server_url: str

    @classmethod
    def made(cls, folder: Path, server_url: str) -> Site:
        """The site, with the breast cancer data in ``train.csv`` and ``test.csv``."""
        folder.mkdir()
        people.identity(EDGE).save(folder / "keys")
        people.anchor().save(folder / "anchor.json")
        site = cls(folder, server_url)
        settings = {
            "server_url": server_url,
            "identity": str(folder / "keys"),
            "anchor": str(folder / "anchor.json"),
            "data": str(folder / "data"),
            "store_url": site.store_url,
            "workers": 2,
        }
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        rows = cancer()
        write_csv(folder / "train.csv", rows[:TRAIN_ROWS])
        write_csv(folder / "test.csv", rows[TRAIN_ROWS:])
        return site

    @property
    def store_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.folder / 'data' / 'store.sqlite'}"

    @property
    def plain_store_url(self) -> str:
        """For a synchronous reader."""
        return self.store_url.replace("+aiosqlite", "")

    def config(self, **changes: object) -> Path:
        """A configuration file for all of the data; a change to ``None`` leaves a setting out."""
        content = {
            "dataset": "breast-cancer",
            "category": "tabular_classification",
            "target": "diagnosis",
            "train": "train.csv",
            "test": "test.csv",
            "infer": True,
            **changes,
        }
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
        return path

    def run(self, *arguments: str, program: Sequence[str] = ("-m", "ingest"), **environment: str) -> Ended:
        """``python -m ingest`` on the configuration as it was written last."""
        files = ["--settings", str(self.folder / "settings.yaml"), str(self.folder / "config.yaml")]
        done = subprocess.run(
            [sys.executable, "-W", "error", *program, *arguments, *files],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
        )
        return Ended(done.returncode, json.loads(done.stdout or "{}"), done.stderr)

    async def said(self) -> list[Message]:
        """All that was said about datasets."""
        async with JetStreamBroker.connect(Endpoint(self.server_url, "reader")) as broker:
            found = broker.log(StreamName.EVENTS).read("ev.federation.dataset.>")
            return [stored.message async for stored in found]

    async def registered(self) -> list[DatasetRegistered]:
        """What was said, verified."""
        bodies = [people.directory().verify(message).body for message in await self.said()]
        assert all(isinstance(body, DatasetRegistered) for body in bodies)
        return [body for body in bodies if isinstance(body, DatasetRegistered)]


def cancer() -> list[list[str]]:
    """Header and rows of the data, with a column of notes."""
    bunch = load_breast_cancer()
    return [
        [*(repr(float(value)) for value in values), f"{MARKER}-{place}", bunch.target_names[target]]
        for place, (values, target) in enumerate(zip(bunch.data, bunch.target, strict=True))
    ]


def write_csv(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*load_breast_cancer().feature_names, "note", "diagnosis"], *rows])
