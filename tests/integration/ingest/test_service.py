"""``python -m ingest`` as a process, a real store and a real server: stored first, then said, once."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from bus.events.datasets import ColumnKind
from bus.jetstream.server import EmbeddedServer, free_port
from contracts.ingest import reader
from integration.ingest.site import EDGE, MARKER, TRAIN_ROWS, Site, cancer, write_csv
from support import people

SILENT = (str(Path(__file__).with_name("silent_driver.py")),)


@pytest.fixture
def site(tmp_path: Path, nats_server: EmbeddedServer) -> Site:
    return Site.made(tmp_path / "site", nats_server.settings.url)


def stored(site: Site, split: str = "train") -> list[tuple[object, ...]] | None:
    if not (site.folder / "data" / "store.sqlite").exists():
        return None
    return reader.read_split(site.plain_store_url, "breast-cancer", split)


async def test_rows_are_stored_and_only_metadata_is_said(site: Site) -> None:
    site.config()
    ended = site.run()
    assert ended.status == 0, ended.errors
    rows, rest = cancer()[:TRAIN_ROWS], cancer()[TRAIN_ROWS:]
    assert stored(site) == [(*map(float, row[:-2]), *row[-2:]) for row in rows]
    assert stored(site, "test") == [(*map(float, row[:-2]), *row[-2:]) for row in rest]
    (event,) = await site.registered()
    assert (event.dataset, event.edge, event.target) == ("breast-cancer", EDGE, "diagnosis")
    assert {name: counts.rows for name, counts in event.splits.items()} == {"train": 455, "test": 114}
    assert event.splits["test"].classes == {"benign": 88, "malignant": 26}
    assert [column.kind for column in event.columns] == [ColumnKind.REAL] * 30 + [ColumnKind.TEXT] * 2
    assert {column.nulls for column in event.columns} == {0}
    assert (event.revision, event.digest) == (ended.result["revision"], ended.result["digest"])
    (message,) = await site.said()
    told = message.data + json.dumps(dict(message.headers)).encode()
    for secret in (MARKER, "Zaphod", str(site.folder), "train.csv", rows[0][0]):
        assert secret.encode() not in told
    assert MARKER not in ended.errors + json.dumps(ended.result)


async def test_the_same_again_changes_and_says_nothing_new(site: Site) -> None:
    site.config()
    first = site.run()
    again = site.run()
    assert (first.status, again.status) == (0, 0)
    assert again.result["sequence"] == first.result["sequence"]
    assert [part["stored"] for part in again.result["splits"].values()] == [0, 0]
    assert len(await site.said()) == 1
    assert reader.leftovers(site.plain_store_url) == {}


async def test_killed_between_storing_and_saying_the_next_run_says_it(site: Site) -> None:
    site.config()
    assert site.run(program=SILENT).status == -signal.SIGKILL
    assert len(stored(site) or []) == TRAIN_ROWS
    assert await site.said() == []
    again = site.run()
    assert again.status == 0, again.errors
    assert [part["stored"] for part in again.result["splits"].values()] == [0, 0]
    assert len(await site.registered()) == 1


async def test_without_a_server_the_rows_are_kept_and_said_later(site: Site) -> None:
    site.config()
    away = site.run("--patience", "0.3", MUSTER_SERVER_URL=f"nats://127.0.0.1:{free_port()}")
    assert away.status == 8
    assert away.result["error"]["code"] == "ingest.unsaid"
    assert "Run the same again" in away.result["error"]["message"]
    assert len(stored(site) or []) == TRAIN_ROWS
    assert site.run().status == 0
    assert len(await site.registered()) == 1


async def test_a_wrong_cell_in_any_file_and_nothing_is_stored_or_said(site: Site) -> None:
    rows = cancer()[TRAIN_ROWS:]
    rows[2][0], rows[5][3] = "twelve", "1,5"
    write_csv(site.folder / "test.csv", rows)
    schema = {"mean radius": "DOUBLE", "mean area": "DOUBLE NOT NULL"}
    site.config(schema=schema)
    ended = site.run()
    assert ended.status == 2
    message = ended.result["error"]["message"]
    assert "test.csv has 2 errors: line 4, column 'mean radius': expected DOUBLE" in message
    assert "line 7, column 'mean area'" in message
    report = site.folder / "data" / "ingest" / "breast-cancer.errors.jsonl"
    found = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(each["line"], each["column"], each["found"]) for each in found] == [
        (4, "mean radius", "twelve"),
        (7, "mean area", "1,5"),
    ]
    assert "twelve" not in ended.errors + message
    assert stored(site) is None
    assert await site.said() == []
    write_csv(site.folder / "test.csv", cancer()[TRAIN_ROWS:])
    assert site.run().status == 0
    assert not report.exists()


async def test_a_test_part_alone_is_not_announced_until_a_training_part_is_there(site: Site) -> None:
    site.config(train=None)
    alone = site.run()
    assert (alone.status, alone.result["sequence"]) == (0, None)
    assert "not announced" in alone.errors
    assert await site.said() == []
    site.config(test=None)
    assert site.run().status == 0
    (event,) = await site.registered()
    assert set(event.splits) == {"train", "test"}


async def test_replacing_is_a_later_revision(site: Site) -> None:
    site.config()
    site.run()
    write_csv(site.folder / "train.csv", cancer()[:100])
    refused = site.run()
    assert (refused.status, refused.result["error"]["code"]) == (2, "dataset.exists")
    site.config(mode="replace")
    assert site.run().status == 0
    before, after = await site.registered()
    assert after.revision > before.revision
    assert (after.splits["train"].rows, after.splits["test"].rows) == (100, 114)


async def test_a_store_that_was_lost_goes_on_with_revisions_of_its_own(site: Site) -> None:
    site.config()
    site.run()
    for path in (site.folder / "data").glob("store.sqlite*"):
        path.unlink()
    write_csv(site.folder / "train.csv", cancer()[:100])
    ended = site.run()
    assert ended.status == 0, ended.errors
    before, after = await site.registered()
    assert (before.revision, after.revision) == (2, 3)
    assert after.splits["train"].rows == 100
    again = site.run()
    assert (again.result["revision"], again.result["sequence"]) == (3, ended.result["sequence"])


async def test_other_columns_than_the_stored_ones_are_refused(site: Site) -> None:
    site.config()
    site.run()
    site.config(schema={"mean radius": "VARCHAR(20)"})
    ended = site.run()
    assert (ended.status, ended.result["error"]["code"]) == (2, "dataset.schema")
    assert "'mean radius' is VARCHAR(20) here, DOUBLE there" in ended.result["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"target": "diagnose"}, 2, "did you mean 'diagnosis'"),
        ({"train": "nowhere.csv"}, 4, "there is no file"),
        ({"train": None, "test": None}, 3, "expected a file"),
        ({"infer": False}, 3, "expected a schema"),
        ({"schema": {"mean radius": "DUBLE"}}, 3, "column 'mean radius': 'DUBLE' is not a known SQL type"),
        ({"tarrget": "x"}, 3, "did you mean 'target'"),
        ({"dataset": "a.b"}, 3, "dataset name 'a.b' is not usable"),
    ],
)
def test_wrong_settings(tmp_path: Path, changes: dict[str, object], status: int, words: str) -> None:
    site = Site.made(tmp_path / "site", "nats://127.0.0.1:1")
    site.config(**changes)
    ended = site.run("--patience", "0")
    assert (ended.status, words in ended.result["error"]["message"]) == (status, True), ended


def test_only_an_edge_takes_in_data(tmp_path: Path) -> None:
    site = Site.made(tmp_path / "site", "nats://127.0.0.1:1")
    people.identity("acme").save(site.folder / "keys")
    site.config()
    ended = site.run()
    assert (ended.status, ended.result["error"]["code"]) == (3, "ingest.role")
    assert stored(site) is None
