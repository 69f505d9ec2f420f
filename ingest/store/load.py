"""One load under way: begin, write batches, commit. See the package's docstring for why it is atomic.

Allowed order: ``begin`` -> ``write``* -> ``commit`` or ``abandon``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bus.errors import Integrity
from bus.events.base import DatasetId, Digest
from ingest.domain.loading import Aim, LoadedPart, Step, StoredDataset
from ingest.domain.profile import DatasetProfile, Split
from ingest.domain.records import Values
from ingest.store import catalogue
from ingest.store.engine import bare, writing
from ingest.store.sweep import tidy
from ingest.store.tables import LOADS, data_table, table_name


class State(StrEnum):
    """Of a load in the journal."""

    LOADING = "loading"
    LIVE = "live"
    STALE = "stale"


@dataclass(frozen=True)
class Plan:
    """What a load does.

    Attributes:
        aim: What is loaded.
        stored: The dataset as it was.
        step: How it changes.
        numbers: Split -> number of its rows' load.
        table: SQL table that takes the rows.
    """

    aim: Aim
    stored: StoredDataset | None
    step: Step
    numbers: Mapping[Split, int]
    table: str


class Load:
    """Loads of one or two splits that have begun and will count together. Made by ``begin``.

    Args:
        engine: The store.
        now: The time, UTC without an offset.
        plan: What the load does.
    """

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime], plan: Plan) -> None:
        self._engine = engine
        self._now = now
        self._plan = plan
        self._table = data_table(plan.table, plan.aim.schema)
        self._rows = dict.fromkeys(plan.numbers, 0)

    async def write(self, split: Split, rows: Sequence[Values]) -> None:
        """Store ``rows`` of ``split`` behind those written before; nobody reads them yet.

        Raises:
            Conflict: A later run of the same split has taken over, or the dataset was deleted.
            Unavailable: The store is away or full.
        """
        if not rows:
            return
        names = ["_load", "_row", "_split", *(f"c{place}" for place in range(len(self._plan.aim.schema.columns)))]
        first = self._rows[split]
        values: list[dict[str, Any]] = [
            dict(zip(names, (self._plan.numbers[split], place, split.value, *row), strict=True))
            for place, row in enumerate(rows, start=first)
        ]
        async with writing(self._engine) as connection:
            await self._claim(connection, split, rows=first + len(rows))
            await connection.execute(insert(self._table), values)
        self._rows[split] += len(rows)

    async def commit(self, profile: DatasetProfile, digests: Mapping[Split, Digest]) -> StoredDataset:
        """Make the rows count, in the place of the loads that are not kept: the one step that changes the dataset.

        Args:
            profile: Of the dataset with these rows.
            digests: Of the rows that were written to each split, without those that were there before.

        Raises:
            Conflict: Another run was first.
            Integrity: The database does not hold the rows that were written.
            Unavailable: The store is away. With ``Timeout`` the effect is unknown: the same load again is harmless.
        """
        plan = self._plan
        old = plan.stored.parts if plan.stored is not None else {}
        new = {
            split: (*plan.step.behind[split], LoadedPart(number, self._rows[split], digests[split]))
            for split, number in plan.numbers.items()
        }
        parts = new if plan.step.new_table else {**old, **new}
        after = StoredDataset(profile, plan.aim.schema, parts, plan.table, max(plan.numbers.values()))
        before = plan.stored.revision if plan.stored is not None else None
        async with writing(self._engine) as connection:
            if await catalogue.locked_revision(connection, plan.aim.dataset) != before:
                raise catalogue.overtaken(plan.aim.dataset)
            for split in plan.numbers:
                await self._check(connection, split)
                await self._claim(connection, split, state=State.LIVE)
            await _retire(connection, _loads(old) - _loads(parts))
            await catalogue.put(connection, after, before=before, now=self._now())
        await tidy(self._engine, plan.aim.dataset)
        return after

    async def abandon(self) -> None:
        """Give the load up and delete its rows, as far as the store allows; the next run does the rest."""
        async with writing(self._engine) as connection:
            own = LOADS.c.load.in_(self._plan.numbers.values()) & (LOADS.c.state == State.LOADING)
            await connection.execute(update(LOADS).where(own).values(state=State.STALE))
        await tidy(self._engine, self._plan.aim.dataset)

    async def _claim(self, connection: AsyncConnection, split: Split, **values: object) -> None:
        """Change the journal's row of a split's load; nobody may have made it stale."""
        own = (LOADS.c.load == self._plan.numbers[split]) & (LOADS.c.state == State.LOADING)
        if (await connection.execute(update(LOADS).where(own).values(values))).rowcount != 1:
            raise catalogue.overtaken(self._plan.aim.dataset)

    async def _check(self, connection: AsyncConnection, split: Split) -> None:
        own = self._table.c["_load"] == self._plan.numbers[split]
        there = (await connection.execute(select(func.count()).select_from(self._table).where(own))).scalar_one()
        if there != self._rows[split]:
            raise Integrity(
                f"the database holds {there} rows of a load of {self._rows[split]}: check the database, then run again",
                code="store.rows",
            )


async def begin(
    engine: AsyncEngine, now: Callable[[], datetime], aim: Aim, stored: StoredDataset | None, step: Step
) -> Load:
    """Begin a load: note it in the journal, clean up after runs that were killed, create the table if it is new.

    Raises:
        Conflict: The dataset is no longer as ``stored``.
        Invalid: The database cannot hold that many columns.
        Unavailable: The store is away.
    """
    expected = stored.revision if stored is not None else None
    async with writing(engine) as connection:
        if await catalogue.locked_revision(connection, aim.dataset) != expected:
            raise catalogue.overtaken(aim.dataset)
        await _fence(connection, aim)
        numbers, table = {}, None if step.new_table or stored is None else stored.table
        for split in step.behind:
            numbers[split], table = await _note(connection, now(), aim.dataset, split, table)
    assert table is not None
    await tidy(engine, aim.dataset)
    if step.new_table:
        async with bare(engine) as connection:
            await connection.run_sync(data_table(table, aim.schema).create)
    return Load(engine, now, Plan(aim, stored, step, numbers, table))


async def settle(engine: AsyncEngine, aim: Aim) -> None:
    """End a run that has nothing to store: clean up after runs of the same split that were killed or overtaken.

    Raises:
        Unavailable: The store is away.
    """
    async with writing(engine) as connection:
        await _fence(connection, aim)
    await tidy(engine, aim.dataset)


async def use_up(connection: AsyncConnection, dataset: str, number: int, now: datetime) -> None:
    """Have no later load of the store get ``number`` or a lower one."""
    highest = (await connection.execute(select(func.max(LOADS.c.load)))).scalar_one_or_none()
    if highest is None or highest < number:
        values = {
            "load": number,
            "dataset": dataset,
            "split": "",
            "table_name": table_name(dataset, number),
            "state": State.STALE,
            "rows": 0,
            "started_at": now,
        }
        await connection.execute(insert(LOADS).values(values))


def _loads(parts: Mapping[Split, tuple[LoadedPart, ...]]) -> set[int]:
    return {part.load for parts_of_split in parts.values() for part in parts_of_split}


async def _retire(connection: AsyncConnection, loads: set[int]) -> None:
    """Make the replaced loads stale."""
    await connection.execute(update(LOADS).where(LOADS.c.load.in_(loads)).values(state=State.STALE))


async def _fence(connection: AsyncConnection, aim: Aim) -> None:
    """Take the right to go on from all runs that still load the same split."""
    ours = (LOADS.c.dataset == aim.dataset) & LOADS.c.split.in_([split.value for split in aim.splits])
    older = ours & (LOADS.c.state == State.LOADING)
    await connection.execute(update(LOADS).where(older).values(state=State.STALE))


async def _note(
    connection: AsyncConnection, now: datetime, dataset: DatasetId, split: Split, table: str | None
) -> tuple[int, str]:
    """Write a load into the journal; returns its number and its table, which is named after it if there is none."""
    values = {
        "dataset": dataset,
        "split": split.value,
        "table_name": table or "",
        "state": State.LOADING,
        "rows": 0,
        "started_at": now,
    }
    key = (await connection.execute(insert(LOADS).values(values))).inserted_primary_key
    assert key is not None
    number: int = key[0]
    name = table or table_name(dataset, number)
    await connection.execute(update(LOADS).where(LOADS.c.load == number).values(table_name=name))
    return number, name
