"""From the owner's store to the directory that a worker reads: only the columns that are asked for.

The store belongs to ``ingest``, which documents its tables; the edge daemon reads them by name and writes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Double, SmallInteger, Text, column, event, make_url, select, table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from bus.events.base import DatasetId
from bus.events.datasets import ColumnKind
from bus.events.experiments import TaskData
from training.dataset import SPLITS, Column, Encoding, Index, write_dataset
from training.errors import Category, TrainingError, data_error

_DATASETS: Final = table("muster_datasets", column("name"), column("table_name"), column("columns"), column("loads"))
_TYPES: Final[Mapping[ColumnKind, TypeEngine[Any]]] = {
    ColumnKind.REAL: Double(),
    ColumnKind.INTEGER: BigInteger(),
    ColumnKind.BOOLEAN: SmallInteger(),
    ColumnKind.TEXT: Text(),
}
_BATCH: Final = 10_000


@dataclass(frozen=True)
class _Source:
    """Where a dataset's rows are."""

    table: str
    columns: Mapping[str, tuple[str, ColumnKind]]
    """Name -> SQL column and kind."""
    loads: Mapping[str, Sequence[Mapping[str, int]]]


async def export(store_url: str, data: TaskData, directory: Path) -> Index:
    """Write the columns that ``data`` names to ``directory``; returns what was written.

    Raises:
        TrainingError: The store has no such dataset or column, or cannot be read.
    """
    async with _reading(store_url) as connection:
        source = await _source(connection, data)
        wanted = [*data.features, data.target]
        arrays: dict[str, dict[str, NDArray[Any]]] = {}
        rows: dict[str, int] = {}
        texts: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            if split not in source.loads:
                continue
            cells = await _cells(connection, source, split, wanted)
            rows[split] = len(cells)
            columns = list(zip(*cells, strict=True)) if cells else [()] * len(wanted)
            arrays[split] = {
                name: _array(values, data, source.columns[name][1], name, texts)
                for name, values in zip(wanted, columns, strict=True)
            }
    index = Index(rows=rows, columns=tuple(_described(name, data, texts) for name in wanted))
    write_dataset(directory, index, arrays)
    return index


async def profile(store_url: str, dataset: DatasetId) -> str | None:
    """What the store's dataset is, as ``ingest`` describes it: JSON; ``None`` if the store holds none of that name.

    Raises:
        TrainingError: There is no store, or it cannot be read.
    """
    async with _reading(store_url) as connection:
        query = select(column("profile", Text())).select_from(_DATASETS).where(_DATASETS.c.name == dataset)
        found = (await connection.execute(query)).scalar_one_or_none()
    return None if found is None else str(found)


@asynccontextmanager
async def _reading(store_url: str) -> AsyncIterator[AsyncConnection]:
    """One transaction that sees one state of the store."""
    url = make_url(store_url)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and not await asyncio.to_thread(Path(url.database or "").is_file):
        raise data_error("data.missing", "this edge holds no data yet: ingest some")
    try:
        async with _engine(store_url).connect() as connection, connection.begin():
            yield connection
    except DBAPIError as error:
        # The driver's own words may quote values of rows.
        what = type(error.orig).__name__
        raise TrainingError(Category.INFRA, "data.store", f"the data store cannot be read ({what})") from None
    except SQLAlchemyError as error:
        what = type(error).__name__
        raise TrainingError(Category.INFRA, "data.store", f"the data store cannot be read ({what})") from None


@cache
def _engine(store_url: str) -> AsyncEngine:
    """An engine knows its dialect and its statements, which takes long to learn; it keeps no connection."""
    url = make_url(store_url)
    sqlite = url.get_backend_name() == "sqlite"
    arguments = {"isolation_level": None} if sqlite else {}
    engine = create_async_engine(url, hide_parameters=True, connect_args=arguments, poolclass=NullPool)
    if sqlite:
        event.listen(engine.sync_engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only=ON"))
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


async def _source(connection: AsyncConnection, data: TaskData) -> _Source:
    found = (await connection.execute(select(_DATASETS).where(_DATASETS.c.name == data.dataset))).mappings().first()
    if found is None:
        raise data_error("data.missing", f"this edge holds no dataset {data.dataset!r}")
    columns = {item["name"]: (item["column"], ColumnKind(item["kind"])) for item in json.loads(found["columns"])}
    for name in (*data.features, data.target):
        if name not in columns:
            raise data_error("data.column", f"the dataset {data.dataset!r} has no column {name!r} at this edge")
    return _Source(found["table_name"], columns, json.loads(found["loads"]))


async def _cells(connection: AsyncConnection, source: _Source, split: str, wanted: Sequence[str]) -> list[Any]:
    """Rows of a split, in order, with the columns of ``wanted``."""
    picked = [column(source.columns[name][0], _TYPES.get(source.columns[name][1])) for name in wanted]
    rows: list[Any] = []
    for load in source.loads[split]:
        query = (
            select(*picked)
            .select_from(table(source.table))
            .where(column("_load") == load["load"])
            .order_by(column("_row"))
        )
        before = len(rows)
        result = await connection.stream(query.execution_options(yield_per=_BATCH))
        async for part in result.partitions():
            rows.extend(part)
        if len(rows) - before != load["rows"]:
            raise TrainingError(
                Category.INFRA, "data.store", f"the store is damaged: rows of dataset part {load['load']} are missing"
            )
    return rows


def _array(
    values: Sequence[Any], data: TaskData, kind: ColumnKind, name: str, texts: dict[str, dict[str, int]]
) -> NDArray[Any]:
    if not _labelled(name, data):
        if kind not in {ColumnKind.REAL, ColumnKind.INTEGER, ColumnKind.BOOLEAN}:
            raise data_error(
                "data.kind", f"column {name!r} holds {kind} where numbers are needed: leave it out of the features"
            )
        return np.array([np.nan if value is None else float(value) for value in values], np.float64)
    codes = texts.setdefault(name, {})
    words = (None if value is None else _label(value, kind) for value in values)
    return np.array([-1 if word is None else codes.setdefault(word, len(codes)) for word in words], np.int32)


def _label(value: object, kind: ColumnKind) -> str:
    """A class label as the owners registered it."""
    return ("false", "true")[bool(value)] if kind is ColumnKind.BOOLEAN else str(value)


def _labelled(name: str, data: TaskData) -> bool:
    return name == data.target and data.classes is not None


def _described(name: str, data: TaskData, texts: Mapping[str, Mapping[str, int]]) -> Column:
    if _labelled(name, data):
        return Column(name=name, encoding=Encoding.LABEL, labels=tuple(texts.get(name, {})))
    return Column(name=name, encoding=Encoding.NUMBER)
