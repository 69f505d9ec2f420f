"""What ``ingest`` stored, as the edge daemon lays it out for a worker: two databases, one result."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from bus.events.base import DatasetId
from bus.events.datasets import Split
from bus.events.experiments import TaskData
from edge_daemon.export import Taking, export, profile
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


TAKEN = Split(rows=1500, classes={"a": 1000, "b": 0, KINDS[2]: 500})


async def test_some_rows_are_the_same_on_both_databases_and_in_every_cycle(store_url: str, tmp_path: Path) -> None:
    await stored(store_url, tmp_path)
    for folder in ("one", "two"):
        index = export(drivers(store_url), DATA, tmp_path / folder, lambda: True, Taking(TAKEN, seed=7))
        assert index.rows == {"train": 1500, "test": 3}, "test rows are all used"
    found = Dataset.open(tmp_path / "one")
    codes, labels = found.labels("kind", "train")
    assert Counter(labels[code] for code in codes) == {"a": 1000, KINDS[2]: 500}
    rows = found.numbers("count", "train") + 2
    assert (np.diff(rows) > 0).all(), "rows stay in their order"
    np.testing.assert_array_equal(rows % 3, codes)
    np.testing.assert_array_equal(found.numbers("size", "train"), np.where(rows % 5, rows / 7, np.nan))
    again = Dataset.open(tmp_path / "two")
    np.testing.assert_array_equal(again.numbers("count", "train"), rows - 2)
    digest = hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "dd96a64b0c999a38", "which rows an experiment took must not change from release to release"

    export(drivers(store_url), DATA, tmp_path / "other", lambda: True, Taking(TAKEN, seed=8))
    other = Dataset.open(tmp_path / "other").numbers("count", "train") + 2
    assert 0 < len(np.intersect1d(rows, other)) < 1500, "another seed takes other rows"


async def test_some_rows_where_a_number_is_learnt(store_url: str, tmp_path: Path) -> None:
    await stored(store_url, tmp_path)
    data = DATA.model_copy(update={"features": ("smoker",), "target": "count", "classes": None})
    index = export(drivers(store_url), data, tmp_path / "data", lambda: True, Taking(Split(rows=77), seed=7))
    assert index.rows == {"train": 77, "test": 3}
    assert len(np.unique(Dataset.open(tmp_path / "data").numbers("count", "train"))) == 77


async def test_rows_that_are_not_there_any_more(store_url: str, tmp_path: Path) -> None:
    await stored(store_url, tmp_path)
    for classes in ({"a": 4001}, {"gone": 1}):
        with pytest.raises(TrainingError, match="its dataset has changed since the experiment was submitted") as caught:
            taking = Taking(Split(rows=sum(classes.values()), classes=classes), seed=7)
            export(drivers(store_url), DATA, tmp_path / "data", lambda: True, taking)
        assert caught.value.code == "data.rows"


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
