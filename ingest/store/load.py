"""One load under way: begin, write batches, commit. See the package's docstring for why it is atomic.

Allowed order: ``begin`` -> ``write``* -> ``commit`` or ``abandon``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bus.errors import Integrity
from bus.events.base import Digest
from ingest.domain.loading import Aim, LoadedPart, Step, StoredDataset
from ingest.domain.profile import DatasetProfile
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
        number: Of this load.
        table: SQL table that takes the rows.
    """

    aim: Aim
    stored: StoredDataset | None
    step: Step
    number: int
    table: str


class Load:
    """A load that has begun. Made by ``begin``.

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
        self._rows = 0

    async def write(self, rows: Sequence[Values]) -> None:
        """Store ``rows`` behind those written before; nobody reads them yet.

        Raises:
            Conflict: A later run of the same split has taken over, or the dataset was deleted.
            Unavailable: The store is away or full.
        """
        if not rows:
            return
        names = ["_load", "_row", "_split", *(f"c{place}" for place in range(len(self._plan.aim.schema.columns)))]
        split = self._plan.aim.split.value
        values: list[dict[str, Any]] = [
            dict(zip(names, (self._plan.number, place, split, *row), strict=True))
            for place, row in enumerate(rows, start=self._rows)
        ]
        async with writing(self._engine) as connection:
            await self._claim(connection, rows=self._rows + len(rows))
            await connection.execute(insert(self._table), values)
        self._rows += len(rows)

    async def commit(self, profile: DatasetProfile, digest: Digest) -> StoredDataset:
        """Make the rows count, in the place of the loads that are not kept: the one step that changes the dataset.

        Args:
            profile: Of the dataset with these rows.
            digest: Of the rows of this load.

        Raises:
            Conflict: Another run was first.
            Integrity: The database does not hold the rows that were written.
            Unavailable: The store is away. With ``Timeout`` the effect is unknown: the same load again is harmless.
        """
        part = LoadedPart(self._plan.number, self._rows, digest)
        plan = self._plan
        others = plan.stored.parts if plan.stored is not None and not plan.step.new_table else {}
        parts = {**others, plan.aim.split: (*plan.step.keep, part)}
        after = StoredDataset(profile, plan.aim.schema, parts, plan.table, plan.number)
        before = plan.stored.revision if plan.stored is not None else None
        async with writing(self._engine) as connection:
            if await catalogue.locked_revision(connection, self._plan.aim.dataset) != before:
                raise catalogue.overtaken(self._plan.aim.dataset)
            await self._check(connection)
            await self._claim(connection, state=State.LIVE)
            await self._retire(connection)
            await catalogue.put(connection, after, before=before, now=self._now())
        await tidy(self._engine, self._plan.aim.dataset)
        return after

    async def abandon(self) -> None:
        """Give the load up and delete its rows, as far as the store allows; the next run does the rest."""
        async with writing(self._engine) as connection:
            own = (LOADS.c.load == self._plan.number) & (LOADS.c.state == State.LOADING)
            await connection.execute(update(LOADS).where(own).values(state=State.STALE))
        await tidy(self._engine, self._plan.aim.dataset)

    async def _claim(self, connection: AsyncConnection, **values: object) -> None:
        """Change the journal's row of this load; nobody may have made it stale."""
        own = (LOADS.c.load == self._plan.number) & (LOADS.c.state == State.LOADING)
        if (await connection.execute(update(LOADS).where(own).values(values))).rowcount != 1:
            raise catalogue.overtaken(self._plan.aim.dataset)

    async def _check(self, connection: AsyncConnection) -> None:
        count = select(func.count()).select_from(self._table).where(self._table.c["_load"] == self._plan.number)
        there = (await connection.execute(count)).scalar_one()
        if there != self._rows:
            raise Integrity(
                f"the database holds {there} rows of a load of {self._rows}: check the database, then run again",
                code="store.rows",
            )

    async def _retire(self, connection: AsyncConnection) -> None:
        """Make the replaced loads stale."""
        if self._plan.stored is None:
            return
        kept = {part.load for part in self._plan.step.keep}
        gone = [part.load for part in self._plan.stored.parts.get(self._plan.aim.split, ()) if part.load not in kept]
        await connection.execute(update(LOADS).where(LOADS.c.load.in_(gone)).values(state=State.STALE))


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
        number, table = await _note(connection, now(), aim, None if step.new_table or stored is None else stored.table)
    await tidy(engine, aim.dataset)
    if step.new_table:
        async with bare(engine) as connection:
            await connection.run_sync(data_table(table, aim.schema).create)
    return Load(engine, now, Plan(aim, stored, step, number, table))


async def settle(engine: AsyncEngine, aim: Aim) -> None:
    """End a run that has nothing to store: clean up after runs of the same split that were killed or overtaken.

    Raises:
        Unavailable: The store is away.
    """
    async with writing(engine) as connection:
        await _fence(connection, aim)
    await tidy(engine, aim.dataset)


async def _fence(connection: AsyncConnection, aim: Aim) -> None:
    """Take the right to go on from all runs that still load the same split."""
    older = (LOADS.c.dataset == aim.dataset) & (LOADS.c.split == aim.split.value) & (LOADS.c.state == State.LOADING)
    await connection.execute(update(LOADS).where(older).values(state=State.STALE))


async def _note(connection: AsyncConnection, now: datetime, aim: Aim, table: str | None) -> tuple[int, str]:
    """Write the load into the journal; returns its number and its table."""
    values = {
        "dataset": aim.dataset,
        "split": aim.split.value,
        "table_name": table or "",
        "state": State.LOADING,
        "rows": 0,
        "started_at": now,
    }
    key = (await connection.execute(insert(LOADS).values(values))).inserted_primary_key
    assert key is not None
    number: int = key[0]
    name = table or table_name(aim.dataset, number)
    await connection.execute(update(LOADS).where(LOADS.c.load == number).values(table_name=name))
    return number, name
