"""What every database behind the store must do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, time

import pytest
import sqlalchemy as sa

from bus.errors import Conflict, Integrity, Invalid, NotFound
from bus.events.base import DatasetId
from contracts.ingest import reader
from contracts.ingest.mariadb import MariaDb
from contracts.ingest.samples import NAME, NEW, OLD, aim, begin, commit, get, put, put_both
from ingest.domain.loading import Mode
from ingest.domain.profile import Split
from ingest.domain.records import Values
from ingest.domain.schema import MAX_COLUMNS, Schema
from ingest.domain.values import MAX_TEXT_BYTES
from ingest.store import Store

at = datetime.fromisoformat


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with Store.open(store_url, now=lambda: at("2024-03-01T12:00:00.000005")) as opened:
        yield opened


async def test_a_new_dataset_is_read_back(store: Store) -> None:
    assert await store.find(NAME) is None
    stored = await put(store, OLD)
    assert await get(store) == list(OLD)
    assert await store.find(NAME) == stored
    assert await store.names() == (NAME,)


async def test_the_contract_holds_for_a_reader_that_only_reflects(store: Store, store_url: str) -> None:
    stored = await put(store, OLD)
    await put(store, NEW, aim(split=Split.TEST))
    assert reader.read_split(store_url, NAME, "train") == list(OLD)
    assert reader.read_split(store_url, NAME, "test") == list(NEW)
    entry = reader.catalogue(store_url, NAME)
    assert (entry["category"], entry["target"]) == ("tabular_classification", "kind")
    assert entry["table_name"] == stored.table == "dataset_wisconsin_1_1"
    assert entry["columns"] == [
        {"column": "c0", "name": "age", "kind": "integer", "sql_type": "INT", "nullable": True},
        {"column": "c1", "name": "mean radius", "kind": "real", "sql_type": "DOUBLE", "nullable": True},
        {"column": "c2", "name": "kind", "kind": "text", "sql_type": "VARCHAR(20)", "nullable": True},
    ]
    digest = stored.profile.splits[Split.TRAIN].digest
    loads = entry["loads"]
    assert isinstance(loads, dict)
    assert loads["train"] == [{"load": 1, "rows": 3, "digest": digest}]
    profile = entry["profile"]
    assert isinstance(profile, dict)
    assert profile["splits"]["train"] == {
        "rows": 3,
        "nulls": [0, 1, 0],
        "classes": {"a": 2, "b": 1},
        "digest": digest,
        "words": [None, None, None],
    }
    assert entry["revision"] == 2
    assert entry["created_at"] == at("2024-03-01T12:00:00.000005")


async def test_every_kind_comes_back_as_it_was(store: Store, store_url: str) -> None:
    schema = Schema.parse(
        {
            "n": "BIGINT",
            "x": "DOUBLE",
            "flag": "BOOL",
            "text": "TEXT",
            "day": "DATE",
            "wall": "DATETIME",
            "moment": "TIMESTAMP",
            "clock": "TIME",
            "kind": "CHAR(5)",
        }
    )
    rows: list[Values] = [
        (2**63 - 1, 1.7976931348623157e308, True, "漢字 😀 '\"\\%s\n\t ", date(1000, 1, 1),
         at("9999-12-31T23:59:59.999999"), at("1969-12-31T00:00:00.000001"), time(23, 59, 59, 999999), "a "),
        (-(2**63), 5e-324, False, " ", date(9999, 12, 31), at("1000-01-01"), at("2100-01-01"), time(0), "A"),
        (None, None, None, None, None, None, None, None, "b"),
        (0, 0.1 + 0.2, True, "x" * MAX_TEXT_BYTES, date(2024, 2, 29), at("2024-03-31T02:30"), at("2038-01-20"),
         time(1, 2), "é"),
    ]  # fmt: skip
    await put(store, rows, aim(schema=schema))
    back = await get(store)
    assert back == rows
    assert [type(cell) for row in back for cell in row] == [type(cell) for row in rows for cell in row]
    read = reader.read_split(store_url, NAME, "train")
    assert read is not None
    assert read[:3] == [tuple(row) for row in rows[:3]]
    assert isinstance(read[0][2], int)


async def test_replacing_takes_the_old_rows_away(store: Store, store_url: str) -> None:
    await put(store, OLD)
    await put(store, OLD, aim(split=Split.TEST))
    await put(store, NEW, aim(Mode.REPLACE))
    assert await get(store) == list(NEW)
    assert await get(store, Split.TEST) == list(OLD)
    assert reader.leftovers(store_url) == {}


async def test_replacing_the_only_split_may_change_the_columns(store: Store, store_url: str) -> None:
    first = await put(store, OLD)
    schema = Schema.parse({"kind": "VARCHAR(20)", "weight": "DOUBLE"})
    second = await put(store, [("x", 0.5), ("y", None)], aim(Mode.REPLACE, schema=schema))
    assert second.table != first.table
    assert await get(store) == [("x", 0.5), ("y", None)]
    assert reader.leftovers(store_url) == {}


async def test_both_splits_come_in_together(store: Store, store_url: str) -> None:
    stored = await put_both(store, OLD, NEW)
    assert (await get(store), await get(store, Split.TEST)) == (list(OLD), list(NEW))
    assert list(stored.profile.splits) == [Split.TRAIN, Split.TEST]
    assert reader.leftovers(store_url) == {}


async def test_replacing_both_splits_may_change_the_columns(store: Store, store_url: str) -> None:
    first = await put_both(store, OLD, NEW)
    schema = Schema.parse({"kind": "VARCHAR(20)"})
    second = await put_both(store, [("x",), ("y",)], [("z",), ("x",)], Mode.REPLACE, schema)
    assert (await get(store), await get(store, Split.TEST)) == ([("x",), ("y",)], [("z",), ("x",)])
    assert second.table != first.table
    assert reader.leftovers(store_url) == {}


async def test_appending_keeps_the_order(store: Store, store_url: str) -> None:
    await put(store, OLD)
    stored = await put(store, NEW, aim(Mode.APPEND), old=OLD)
    assert await get(store) == [*OLD, *NEW]
    assert [part.rows for part in stored.parts[Split.TRAIN]] == [3, 2]
    assert stored.profile.splits[Split.TRAIN].classes == {"a": 3, "b": 1, "c": 1}
    assert reader.leftovers(store_url) == {}


async def test_rows_of_a_load_under_way_are_not_read(store: Store) -> None:
    await put(store, OLD)
    load, _ = await begin(store, aim(Mode.REPLACE), NEW)
    await load.write(Split.TRAIN, NEW)
    assert await get(store) == list(OLD)


async def test_an_abandoned_load_leaves_nothing(store: Store, store_url: str) -> None:
    load, _ = await begin(store, aim(), OLD)
    await load.write(Split.TRAIN, OLD)
    await load.abandon()
    assert await store.find(NAME) is None
    assert reader.leftovers(store_url) == {}


async def test_the_later_of_two_runs_wins_and_cleans_up(store: Store, store_url: str) -> None:
    first, _ = await begin(store, aim(), OLD)
    await first.write(Split.TRAIN, OLD)
    second, stored = await begin(store, aim(), NEW)
    with pytest.raises(Conflict):
        await first.write(Split.TRAIN, OLD)
    with pytest.raises(Conflict):
        await commit(first, None, aim(), OLD)
    await second.write(Split.TRAIN, NEW)
    await commit(second, stored, aim(), NEW)
    assert await get(store) == list(NEW)
    assert reader.leftovers(store_url) == {}


async def test_of_two_splits_loaded_at_once_the_slower_has_to_decide_again(store: Store, store_url: str) -> None:
    await put(store, OLD)
    wanted = aim(Mode.REPLACE)
    slow, stored = await begin(store, wanted, NEW)
    await put(store, OLD, aim(split=Split.TEST))
    await slow.write(Split.TRAIN, NEW)
    with pytest.raises(Conflict):
        await commit(slow, stored, wanted, NEW)
    await slow.abandon()
    assert await get(store) == list(OLD)
    assert await get(store, Split.TEST) == list(OLD)
    assert reader.leftovers(store_url) == {}


async def test_a_load_of_a_deleted_dataset_does_not_bring_it_back(store: Store, store_url: str) -> None:
    await put(store, OLD)
    wanted = aim(Mode.REPLACE)
    load, stored = await begin(store, wanted, NEW)
    await load.write(Split.TRAIN, NEW)
    await store.delete(NAME)
    with pytest.raises(Conflict):
        await load.write(Split.TRAIN, NEW)
    with pytest.raises(Conflict):
        await commit(load, stored, wanted, NEW)
    assert await store.names() == ()
    assert reader.leftovers(store_url) == {}


async def test_a_reader_sees_one_state_while_the_split_is_replaced(store: Store) -> None:
    await put(store, OLD)
    batches = store.rows(NAME, Split.TRAIN, batch_rows=1)
    seen = list(await anext(batches))
    await put(store, NEW, aim(Mode.REPLACE))
    seen += [row async for batch in batches for row in batch]
    assert seen == list(OLD)
    assert await get(store) == list(NEW)


async def test_a_reader_sees_one_state_while_the_table_is_replaced(store: Store, store_url: str) -> None:
    await put(store, OLD)
    schema = Schema.parse({"kind": "VARCHAR(20)"})
    batches = store.rows(NAME, Split.TRAIN, batch_rows=1)
    seen = list(await anext(batches))
    await put(store, [("x",), ("y",)], aim(Mode.REPLACE, schema=schema))
    seen += [row async for batch in batches for row in batch]
    assert seen == list(OLD)
    await put(store, [("x",), ("z",)], aim(Mode.REPLACE, schema=schema))
    assert reader.leftovers(store_url) == {}


async def test_a_deleted_dataset_is_gone_and_its_revision_is_not_used_again(store: Store, store_url: str) -> None:
    first = await put(store, OLD)
    await store.delete(NAME)
    assert await store.names() == ()
    assert reader.leftovers(store_url) == {}
    with pytest.raises(NotFound):
        await store.delete(NAME)
    with pytest.raises(NotFound):
        await get(store)
    again = await put(store, OLD)
    assert again.revision > first.revision


async def test_a_revision_that_is_taken_elsewhere_is_passed_over(store: Store, store_url: str) -> None:
    await put(store, OLD)
    await store.renumber(NAME, 40)
    renumbered = await store.find(NAME)
    assert renumbered is not None
    assert renumbered.revision == 40
    with pytest.raises(Conflict):
        await store.renumber(NAME, 40)
    assert (await put(store, NEW, aim(Mode.REPLACE))).revision == 41
    assert await get(store) == list(NEW)
    assert reader.leftovers(store_url) == {}


async def test_missing_rows_are_noticed(store: Store, store_url: str) -> None:
    stored = await put(store, OLD)
    with reader.engine(store_url) as engine, engine.begin() as connection:
        connection.execute(sa.text(f"DELETE FROM {stored.table} WHERE _row = 1"))
    with pytest.raises(Integrity, match="should have 3 rows"):
        await get(store)


async def test_rows_lost_before_the_commit_are_noticed(store: Store, store_url: str) -> None:
    load, stored = await begin(store, aim(), OLD)
    await load.write(Split.TRAIN, OLD)
    with reader.engine(store_url) as engine, engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM dataset_wisconsin_1_1 WHERE _row = 1"))
    with pytest.raises(Integrity):
        await commit(load, stored, aim(), OLD)
    assert await store.find(NAME) is None


async def test_a_catalogue_row_that_was_tampered_with_is_told(store: Store, store_url: str) -> None:
    await put(store, OLD)
    with reader.engine(store_url) as engine, engine.begin() as connection:
        connection.execute(sa.text("UPDATE muster_datasets SET profile = :text"), {"text": json.dumps({"rows": 1})})
    with pytest.raises(Integrity, match="catalogue row"):
        await store.find(NAME)


async def test_an_unknown_dataset_is_named_with_a_suggestion(store: Store) -> None:
    await put(store, OLD)
    with pytest.raises(NotFound, match="did you mean 'Wisconsin-1'"):
        [batch async for batch in store.rows("wisconsin1", Split.TRAIN)]


async def test_names_that_differ_in_case_or_sign_do_not_collide(store: Store) -> None:
    for name in ("a-b", "a_b", "A-B", "-", "_"):
        await put(store, [(1, 1.0, name), (2, 1.0, "x")], replace(aim(), dataset=DatasetId(name)))
    for name in ("a-b", "a_b", "A-B", "-", "_"):
        rows = [row async for batch in store.rows(name, Split.TRAIN) for row in batch]
        assert rows[0] == (1, 1.0, name)


async def test_the_widest_numeric_table_fits(store: Store) -> None:
    schema = Schema.parse({"kind": "VARCHAR(9)"} | {f"x{place}": "DOUBLE" for place in range(MAX_COLUMNS - 1)})
    rows: list[Values] = [("a", *([1.5] * (MAX_COLUMNS - 1))), ("b", *([None] * (MAX_COLUMNS - 1)))]
    await put(store, rows, aim(schema=schema))
    assert await get(store) == rows


async def test_opening_an_open_store_again_is_harmless(store: Store, store_url: str) -> None:
    await put(store, OLD)
    async with Store.open(store_url) as again:
        assert await get(again) == list(OLD)


async def test_a_table_that_mariadb_cannot_hold_is_refused_in_words(mariadb: MariaDb) -> None:
    schema = Schema.parse({"kind": "VARCHAR(9)"} | {f"t{place}": "TEXT" for place in range(380)})
    with mariadb.database() as name:
        url = mariadb.url(name)
        async with Store.open(url) as store:
            with pytest.raises(Invalid, match="that many columns"):
                await begin(store, aim(schema=schema), [("a", *(["x"] * 380))])
            assert await store.find(NAME) is None
            await put(store, OLD)
        assert reader.leftovers(url) == {}
