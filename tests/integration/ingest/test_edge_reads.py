"""What ``ingest`` stored, as the edge daemon lays it out for a worker: two databases, one result."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from bus.events.base import DatasetId
from bus.events.experiments import TaskData
from edge_daemon.export import export, profile
from ingest.config import IngestConfig
from ingest.domain.profile import Category
from ingest.run import ingest
from training.dataset import Dataset
from training.errors import TrainingError

ROWS = 12_000
"""More than are read at once."""
DATA = TaskData(
    category="tabular_classification",
    dataset=DatasetId("wards"),
    features=("size", "count", "smoker"),
    target="kind",
    classes=("a", "b", "ü, 'quoted'"),
)
KINDS = ("a", "b", "ü, 'quoted'")


def drivers(url: str) -> str:
    """As an edge's settings have it."""
    parsed = make_url(url)
    name = {"sqlite": "sqlite+aiosqlite", "mysql": "mysql+aiomysql"}[parsed.get_backend_name()]
    return parsed.set(drivername=name).render_as_string(hide_password=False)


async def stored(url: str, folder: Path) -> None:
    for split, count in (("train", ROWS), ("test", 3)):
        lines = ["size,count,smoker,kind"]
        for row in range(count):
            kind = KINDS[row % 3].replace('"', '""')
            size = "" if row % 5 == 0 else repr(row / 7)
            lines.append(f'{size},{row - 2},{"true" if row % 2 else "false"},"{kind}"')
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    await ingest(
        IngestConfig(
            dataset=DATA.dataset,
            category=Category(DATA.category),
            train=folder / "train.csv",
            test=folder / "test.csv",
            target="kind",
            store=SecretStr(url),
            infer=True,
        )
    )


async def test_every_cell_arrives_as_it_was(store_url: str, tmp_path: Path) -> None:
    await stored(store_url, tmp_path)
    index = export(drivers(store_url), DATA, tmp_path / "data", lambda: True)
    assert index.rows == {"train": ROWS, "test": 3}
    found, rows = Dataset.open(tmp_path / "data"), np.arange(ROWS)
    np.testing.assert_array_equal(found.numbers("size", "train"), np.where(rows % 5, rows / 7, np.nan))
    np.testing.assert_array_equal(found.numbers("count", "train"), rows - 2.0)
    np.testing.assert_array_equal(found.numbers("smoker", "train"), rows % 2)
    codes, labels = found.labels("kind", "train")
    assert [labels[code] for code in codes[:6]] == [*KINDS, *KINDS]
    assert len(found.numbers("size", "test")) == 3
    described = profile(drivers(store_url), DATA.dataset)
    assert described is not None
    assert '"rows":12000' in described.replace(" ", "")
    assert profile(drivers(store_url), DatasetId("other")) is None


async def test_what_is_not_wanted_any_more_is_not_read_on(store_url: str, tmp_path: Path) -> None:
    await stored(store_url, tmp_path)
    with pytest.raises(CancelledError):
        export(drivers(store_url), DATA, tmp_path / "data", lambda: False)
    assert not (tmp_path / "data").exists()


async def test_what_is_not_there_is_named(store_url: str, tmp_path: Path) -> None:
    await stored(store_url, tmp_path)
    for change, code in (
        ({"dataset": DatasetId("other")}, "data.missing"),
        ({"features": ("sizes",)}, "data.column"),
        ({"target": "size", "classes": None, "features": ("kind",)}, "data.kind"),
    ):
        with pytest.raises(TrainingError) as caught:
            export(drivers(store_url), DATA.model_copy(update=change), tmp_path / "data", lambda: True)
        assert caught.value.code == code
