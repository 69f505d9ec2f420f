"""Deletes the rows of loads that no longer count."""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, delete, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bus.errors import Conflict, Unavailable
from ingest.store.engine import bare, reading, writing
from ingest.store.tables import DATASETS, LOADS

_LOG: Final = logging.getLogger(__name__)
_BATCH: Final = 10_000
"""Rows that one transaction deletes; bounds how long others wait for it."""


class _Stale(NamedTuple):
    """A load that no longer counts."""

    load: int
    table_name: str
    rows: int


async def tidy(engine: AsyncEngine, dataset: str) -> None:
    """``sweep``, as far as it goes: what cannot be deleted now is left to the next run."""
    try:
        await sweep(engine, dataset)
    except (Conflict, Unavailable) as error:
        _LOG.warning("rows of earlier loads of %s are not deleted yet: %s", dataset, error.message)


async def sweep(engine: AsyncEngine, dataset: str) -> int:
    """Delete the rows of all stale loads of ``dataset``; returns how many loads that were.

    A table is dropped when no dataset names it and no load may still write to it. Such a table stays without use,
    since its name is never given again.

    Raises:
        Conflict: Another run does the same.
        Unavailable: The store is away, or a reader holds a table.
    """
    stale = await _stale(engine, dataset)
    for load in stale:
        async with reading(engine) as connection:
            used = await _in_use(connection, load.table_name)
            exists = await connection.run_sync(_has_table, load.table_name)
        table = Table(load.table_name, MetaData(), Column("_load"), Column("_row"))
        if exists and used:
            await _delete_rows(engine, table, load)
        elif exists:
            async with bare(engine) as connection:
                await connection.run_sync(table.drop)
        async with writing(engine) as connection:
            await connection.execute(delete(LOADS).where(LOADS.c.load == load.load))
    return len(stale)


async def _stale(engine: AsyncEngine, dataset: str) -> list[_Stale]:
    query = select(LOADS.c.load, LOADS.c.table_name, LOADS.c.rows).where(
        LOADS.c.dataset == dataset, LOADS.c.state == "stale"
    )
    async with reading(engine) as connection:
        return [_Stale(*row) for row in await connection.execute(query)]


def _has_table(connection: Connection, name: str) -> bool:
    return inspect(connection).has_table(name)


async def _in_use(connection: AsyncConnection, table: str) -> bool:
    named = select(func.count()).select_from(DATASETS).where(DATASETS.c.table_name == table)
    wanted = select(func.count()).select_from(LOADS).where(LOADS.c.table_name == table, LOADS.c.state != "stale")
    return bool((await connection.execute(named)).scalar_one() or (await connection.execute(wanted)).scalar_one())


async def _delete_rows(engine: AsyncEngine, table: Table, load: _Stale) -> None:
    for first in range(0, load.rows, _BATCH):
        rows = (table.c["_load"] == load.load) & table.c["_row"].between(first, first + _BATCH - 1)
        async with writing(engine) as connection:
            await connection.execute(delete(table).where(rows))
