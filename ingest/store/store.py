"""The store as others see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, inspect, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bus.errors import Conflict, Integrity, NotFound
from bus.events.datasets import ColumnKind
from bus.suggestions import did_you_mean
from ingest.domain.loading import Aim, LoadedPart, Step, StoredDataset
from ingest.domain.profile import Split
from ingest.domain.records import Values
from ingest.store import catalogue
from ingest.store.engine import bare, connected, reading, writing
from ingest.store.load import Load, State, begin, settle, use_up
from ingest.store.sweep import sweep
from ingest.store.tables import DATASETS, LOADS, METADATA, data_table


def utc_now() -> datetime:
    """The time, UTC without an offset."""
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """An owner's database. Use ``open``.

    Args:
        engine: Connections to it.
        now: The time, UTC without an offset.
    """

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, now: Callable[[], datetime] = utc_now) -> AsyncIterator[Store]:
        """Connect to ``url`` (``sqlite:////path`` or ``mysql://user:password@host/database``) and prepare the tables.

        Raises:
            Configuration: Wrong address, password or rights; the message says what to do and holds no password.
            Unavailable: The database is away.
        """
        async with connected(url) as engine:
            await _prepare(engine)
            yield cls(engine, now)

    async def find(self, name: str) -> StoredDataset | None:
        """The dataset ``name``, if there is one.

        Raises:
            Integrity: Its catalogue row cannot be read.
            Unavailable: The store is away.
        """
        async with reading(self._engine) as connection:
            return await catalogue.find(connection, name)

    async def names(self) -> tuple[str, ...]:
        """Names of all datasets, in order.

        Raises:
            Unavailable: The store is away.
        """
        async with reading(self._engine) as connection:
            return await _names(connection)

    async def begin(self, aim: Aim, stored: StoredDataset | None, step: Step) -> Load:
        """Begin a load of ``aim`` into the dataset as it is in ``stored``; ``step`` was decided from both.

        Raises:
            Conflict: The dataset is no longer as ``stored``: find it and decide again.
            Invalid: The database cannot hold that many columns.
            Unavailable: The store is away.
        """
        return await begin(self._engine, self._now, aim, stored, step)

    async def settle(self, aim: Aim) -> None:
        """End a run of ``aim`` that finds its rows stored: clean up after earlier runs of the split.

        Raises:
            Unavailable: The store is away.
        """
        await settle(self._engine, aim)

    async def renumber(self, name: str, revision: int) -> None:
        """Give the dataset ``name`` this revision, higher than its own; later loads get higher ones still.

        Raises:
            Conflict: The dataset has this revision or a higher one, or is gone.
            Unavailable: The store is away.
        """
        async with writing(self._engine) as connection:
            lower = (DATASETS.c.name == name) & (DATASETS.c.revision < revision)
            changed = (await connection.execute(update(DATASETS).where(lower).values(revision=revision))).rowcount
            if changed != 1:
                raise catalogue.overtaken(name)
            await use_up(connection, name, revision, self._now())

    async def rows(self, name: str, split: Split, *, batch_rows: int = 1000) -> AsyncGenerator[tuple[Values, ...]]:
        """The rows of one split in order, in batches, all from one state of the store.

        Args:
            name: Of the dataset.
            split: Which part; one that does not exist has no rows.
            batch_rows: Rows in a batch at most.

        Raises:
            NotFound: There is no such dataset.
            Integrity: The table does not hold the rows that the catalogue tells.
            Unavailable: The store is away.
        """
        async with reading(self._engine) as connection:
            stored = await catalogue.find(connection, name)
            if stored is None:
                raise _unknown(name, await _names(connection))
            reader = _Reader(connection, stored)
            for part in stored.parts.get(split, ()):
                async for batch in reader.batches(part, batch_rows):
                    yield batch

    async def delete(self, name: str) -> None:
        """Forget the dataset ``name`` and delete its rows. Repeat it if it fails: it goes on where it stopped.

        Raises:
            NotFound: There is no such dataset.
            Conflict: A run touches the same rows: repeat.
            Unavailable: The store is away, or a reader holds the table: the dataset may be forgotten already, with rows
                still to be deleted: repeat.
        """
        async with writing(self._engine) as connection:
            known = (await connection.execute(delete(DATASETS).where(DATASETS.c.name == name))).rowcount
            loads = update(LOADS).where(LOADS.c.dataset == name).values(state=State.STALE)
            known += (await connection.execute(loads)).rowcount
            if not known:
                raise _unknown(name, await _names(connection))
        await sweep(self._engine, name)


class _Reader:
    """Reads the rows of loads within one transaction."""

    def __init__(self, connection: AsyncConnection, stored: StoredDataset) -> None:
        self._connection = connection
        self._name = stored.profile.dataset
        self._table = data_table(stored.table, stored.schema)
        columns = stored.schema.columns
        self._columns: list[ColumnElement[Any]] = [self._table.c[f"c{place}"] for place in range(len(columns))]
        self._booleans = [place for place, column in enumerate(columns) if column.kind is ColumnKind.BOOLEAN]

    async def batches(self, part: LoadedPart, batch_rows: int) -> AsyncIterator[tuple[Values, ...]]:
        own = self._table.c["_load"] == part.load
        result = await self._connection.stream(select(*self._columns).where(own).order_by(self._table.c["_row"]))
        found = 0
        async for batch in result.partitions(batch_rows):
            found += len(batch)
            yield tuple(self._values(row) for row in batch)
        if found != part.rows:
            raise Integrity(
                f"the dataset {self._name!r} should have {part.rows} rows of load {part.load}, the table has {found}: "
                "restore the store from a backup, or ingest the dataset again with the mode replace",
                code="store.rows",
            )

    def _values(self, row: Sequence[Any]) -> Values:
        if not self._booleans:
            return tuple(row)
        cells = list(row)
        for at in self._booleans:
            cells[at] = None if cells[at] is None else bool(cells[at])
        return tuple(cells)


async def _prepare(engine: AsyncEngine) -> None:
    """Create the catalogue and the journal, and on SQLite a log that lets readers and the writer pass each other."""
    async with bare(engine) as connection:
        there = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        if set(METADATA.tables) <= there:
            return
        if engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    try:
        await _create(engine)
    except Conflict:  # MariaDB: another process created a table at the same time
        await _create(engine)


async def _create(engine: AsyncEngine) -> None:
    async with writing(engine) as connection:
        await connection.run_sync(METADATA.create_all)


async def _names(connection: AsyncConnection) -> tuple[str, ...]:
    return tuple((await connection.execute(select(DATASETS.c.name).order_by(DATASETS.c.name))).scalars())


def _unknown(name: str, known: Sequence[str]) -> NotFound:
    hint = did_you_mean(name, known) if known else "there is none yet"
    return NotFound(f"there is no dataset {name[:80]!r}; {hint}", code="dataset.unknown")
