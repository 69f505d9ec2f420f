"""Small datasets for tests of the store."""

from __future__ import annotations

from collections.abc import Sequence

from bus.events.base import DatasetId
from ingest.domain.encoding import RowDigest
from ingest.domain.loading import Aim, Mode, StoredDataset, after, decide, fit, joined
from ingest.domain.profile import Category, Split, Tally
from ingest.domain.records import Values
from ingest.domain.schema import Schema
from ingest.store import Store
from ingest.store.load import Load

SCHEMA = Schema.parse({"age": "INT", "mean radius": "DOUBLE", "kind": "VARCHAR(20)"})
OLD: tuple[Values, ...] = ((1, 0.5, "a"), (2, None, "b"), (3, 1.5, "a"))
NEW: tuple[Values, ...] = ((7, 2.5, "a"), (8, 3.5, "c"))
NAME = DatasetId("Wisconsin-1")


def aim(mode: Mode = Mode.CREATE, split: Split = Split.TRAIN, schema: Schema = SCHEMA) -> Aim:
    return Aim(NAME, Category.TABULAR_CLASSIFICATION, "kind", schema, split, mode)


async def begin(store: Store, wanted: Aim, rows: Sequence[Values]) -> tuple[Load, StoredDataset | None]:
    stored = await store.find(wanted.dataset)
    wanted = fit(stored, wanted)
    tally = Tally(wanted.schema, wanted.target, wanted.category)
    tally.add(rows)
    return await store.begin(wanted, stored, decide(stored, wanted, tally.profile())), stored


async def commit(
    load: Load, stored: StoredDataset | None, wanted: Aim, rows: Sequence[Values], old: Sequence[Values] = ()
) -> StoredDataset:
    tally = Tally(wanted.schema, wanted.target, wanted.category)
    tally.add(rows)
    content = tally.profile()
    split = content
    if old:
        assert stored is not None
        digest = RowDigest(wanted.schema)
        digest.add([*old, *rows])
        split = joined(stored.profile.splits[wanted.split], content, digest.digest())
    return await load.commit(after(stored, wanted, split), content.digest)


async def put(
    store: Store, rows: Sequence[Values], wanted: Aim | None = None, old: Sequence[Values] = ()
) -> StoredDataset:
    """Load ``rows``; ``old`` are those that stay, when they are appended."""
    wanted = wanted or aim()
    load, stored = await begin(store, wanted, rows)
    await load.write(rows)
    return await commit(load, stored, wanted, rows, old)


async def get(store: Store, split: Split = Split.TRAIN, batch_rows: int = 2) -> list[Values]:
    return [row async for batch in store.rows(NAME, split, batch_rows=batch_rows) for row in batch]
