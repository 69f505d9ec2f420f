"""Small datasets for tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bus.events.base import DatasetId
from ingest.domain.encoding import RowDigest
from ingest.domain.loading import Aim, Mode, StoredDataset, after, decide, fit, joined
from ingest.domain.profile import Category, Split, SplitProfile, Tally
from ingest.domain.records import Values
from ingest.domain.schema import Schema
from ingest.store import Store
from ingest.store.load import Load

SCHEMA = Schema.parse({"age": "INT", "mean radius": "DOUBLE", "kind": "VARCHAR(20)"})
OLD: tuple[Values, ...] = ((1, 0.5, "a"), (2, None, "b"), (3, 1.5, "a"))
NEW: tuple[Values, ...] = ((7, 2.5, "a"), (8, 3.5, "c"))
NAME = DatasetId("Wisconsin-1")


def aim(mode: Mode = Mode.CREATE, split: Split = Split.TRAIN, schema: Schema = SCHEMA) -> Aim:
    return Aim(NAME, Category.TABULAR_CLASSIFICATION, "kind", schema, frozenset({split}), mode)


async def begin(store: Store, wanted: Aim, rows: Sequence[Values]) -> tuple[Load, StoredDataset | None]:
    stored = await store.find(wanted.dataset)
    wanted = fit(stored, wanted)
    contents = {split: profile_of(wanted, rows) for split in wanted.splits}
    return await store.begin(wanted, stored, decide(stored, wanted, contents)), stored


def profile_of(wanted: Aim, rows: Sequence[Values]) -> SplitProfile:
    tally = Tally(wanted.schema, wanted.target, wanted.category)
    tally.add(rows)
    return tally.profile()


async def commit(
    load: Load, stored: StoredDataset | None, wanted: Aim, rows: Sequence[Values], old: Sequence[Values] = ()
) -> StoredDataset:
    content = whole = profile_of(wanted, rows)
    (split,) = wanted.splits
    if old:
        assert stored is not None
        digest = RowDigest(wanted.schema)
        digest.add([*old, *rows])
        whole = joined(stored.profile.splits[split], content, digest.digest())
    return await load.commit(after(stored, wanted, {split: whole}), {split: content.digest})


async def put(
    store: Store, rows: Sequence[Values], wanted: Aim | None = None, old: Sequence[Values] = ()
) -> StoredDataset:
    """Load ``rows``; ``old`` are those that stay, when they are appended."""
    wanted = wanted or aim()
    load, stored = await begin(store, wanted, rows)
    (split,) = wanted.splits
    await load.write(split, rows)
    return await commit(load, stored, wanted, rows, old)


async def put_both(
    store: Store, train: Sequence[Values], test: Sequence[Values], mode: Mode = Mode.CREATE, schema: Schema = SCHEMA
) -> StoredDataset:
    """Load both splits at once."""
    rows = {Split.TRAIN: train, Split.TEST: test}
    stored = await store.find(NAME)
    wanted = fit(stored, replace(aim(mode, schema=schema), splits=frozenset(rows)))
    contents = {split: profile_of(wanted, each) for split, each in rows.items()}
    load = await store.begin(wanted, stored, decide(stored, wanted, contents))
    for split, each in rows.items():
        await load.write(split, each)
    digests = {split: content.digest for split, content in contents.items()}
    return await load.commit(after(stored, wanted, contents), digests)


async def get(store: Store, split: Split = Split.TRAIN, batch_rows: int = 2) -> list[Values]:
    return [row async for batch in store.rows(NAME, split, batch_rows=batch_rows) for row in batch]
