"""From the owner's store to the directory that a worker reads: only the columns that are asked for.

The store belongs to ``ingest``, which documents its tables; the edge daemon reads them by name and writes nothing.
Everything here blocks, and is called in threads: a driver that waits in the event loop takes three times the CPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Double,
    Engine,
    SmallInteger,
    Text,
    column,
    create_engine,
    event,
    make_url,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from bus.events.base import DatasetId
from bus.events.datasets import ColumnKind, Split
from bus.events.experiments import TaskData
from edge_daemon.picking import picked
from training.dataset import SPLITS, TRAIN, Column, Encoding, Index, write_dataset
from training.errors import Category, TrainingError, data_error
from training.preprocessing.preparation import Preparation

_DATASETS: Final = table("muster_datasets", column("name"), column("table_name"), column("columns"), column("loads"))
_TYPES: Final[Mapping[ColumnKind, TypeEngine[Any]]] = {
    ColumnKind.REAL: Double(),
    ColumnKind.INTEGER: BigInteger(),
    ColumnKind.BOOLEAN: SmallInteger(),
    ColumnKind.TEXT: Text(),
}
_BATCH: Final = 10_000
_DRIVERS: Final[Mapping[str, str]] = {"sqlite": "sqlite", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
"""Backend -> the blocking driver that comes with the asynchronous one that settings name."""


@dataclass(frozen=True)
class _Source:
    """Where a dataset's rows are."""

    table: str
    columns: Mapping[str, tuple[str, ColumnKind]]
    """Name -> SQL column and kind."""
    loads: Mapping[str, Sequence[Mapping[str, int]]]


@dataclass(frozen=True)
class Taking:
    """Only some of the training rows are taken.

    Attributes:
        rows: How many, and how many of each class.
        seed: Of the experiment: decides which.
    """

    rows: Split
    seed: int


def export(
    store_url: str, data: TaskData, directory: Path, wanted_still: Callable[[], bool], taking: Taking | None = None
) -> Index:
    """Write the columns that ``data`` names to ``directory``; returns what was written.

    Args:
        store_url: Of the data store.
        data: What is wanted.
        directory: Where it goes.
        wanted_still: Asked after every few thousand rows.
        taking: Which training rows; ``None``: all.

    Raises:
        TrainingError: The store has no such dataset or column, too few rows, or cannot be read.
        CancelledError: It is not wanted any more.
    """
    with _reading(store_url) as connection:
        source = _source(connection, data)
        wanted = [*data.features, data.target]
        labelled = _labelled(data)
        arrays: dict[str, dict[str, NDArray[Any]]] = {}
        rows: dict[str, int] = {}
        texts: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            if split not in source.loads:
                continue
            cells = _cells(connection, source, split, wanted, wanted_still)
            rows[split] = len(cells)
            columns = list(zip(*cells, strict=True)) if cells else [()] * len(wanted)
            arrays[split] = {
                name: _array(values, labelled, source.columns[name][1], name, texts)
                for name, values in zip(wanted, columns, strict=True)
            }
        if taking is not None:
            places = _taken(arrays[TRAIN][data.target], texts.get(data.target, {}), taking)
            arrays[TRAIN] = {name: values[places] for name, values in arrays[TRAIN].items()}
            rows[TRAIN] = len(places)
    index = Index(rows=rows, columns=tuple(_described(name, labelled, texts) for name in wanted))
    write_dataset(directory, index, arrays)
    return index


def profile(store_url: str, dataset: DatasetId) -> str | None:
    """What the store's dataset is, as ``ingest`` describes it: JSON; ``None`` if the store holds none of that name.

    Raises:
        TrainingError: There is no store, or it cannot be read.
    """
    with _reading(store_url) as connection:
        query = select(column("profile", Text())).select_from(_DATASETS).where(_DATASETS.c.name == dataset)
        found = connection.execute(query).scalar_one_or_none()
    return None if found is None else str(found)


@contextmanager
def _reading(store_url: str) -> Iterator[Connection]:
    """One transaction that sees one state of the store."""
    url = _url(store_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise data_error("data.missing", "this edge holds no data yet: ingest some")
    try:
        with _engine(store_url).connect() as connection, connection.begin():
            yield connection
    except DBAPIError as error:
        # The driver's own words may quote values of rows.
        what = type(error.orig).__name__
        raise TrainingError(Category.INFRA, "data.store", f"the data store cannot be read ({what})") from None
    except SQLAlchemyError as error:
        what = type(error).__name__
        raise TrainingError(Category.INFRA, "data.store", f"the data store cannot be read ({what})") from None


def _url(store_url: str) -> URL:
    url = make_url(store_url)
    backend = url.get_backend_name()
    return url.set(drivername=_DRIVERS.get(backend, backend))


@cache
def _engine(store_url: str) -> Engine:
    """An engine knows its dialect and its statements, which takes long to learn; it keeps no connection."""
    url = _url(store_url)
    sqlite = url.get_backend_name() == "sqlite"
    arguments = {"isolation_level": None} if sqlite else {}
    engine = create_engine(url, hide_parameters=True, connect_args=arguments, poolclass=NullPool)
    if sqlite:
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only=ON"))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _source(connection: Connection, data: TaskData) -> _Source:
    found = connection.execute(select(_DATASETS).where(_DATASETS.c.name == data.dataset)).mappings().first()
    if found is None:
        raise data_error("data.missing", f"this edge holds no dataset {data.dataset!r}")
    columns = {item["name"]: (item["column"], ColumnKind(item["kind"])) for item in json.loads(found["columns"])}
    for name in (*data.features, data.target):
        if name not in columns:
            raise data_error("data.column", f"the dataset {data.dataset!r} has no column {name!r} at this edge")
    return _Source(found["table_name"], columns, json.loads(found["loads"]))


def _cells(
    connection: Connection, source: _Source, split: str, wanted: Sequence[str], wanted_still: Callable[[], bool]
) -> list[Any]:
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
        for part in connection.execute(query.execution_options(yield_per=_BATCH)).partitions():
            if not wanted_still():
                raise CancelledError
            rows.extend(part)
        if len(rows) - before != load["rows"]:
            raise TrainingError(
                Category.INFRA, "data.store", f"the store is damaged: rows of dataset part {load['load']} are missing"
            )
    return rows


def _array(
    values: Sequence[Any], labelled: frozenset[str], kind: ColumnKind, name: str, texts: dict[str, dict[str, int]]
) -> NDArray[Any]:
    if name not in labelled:
        if kind not in {ColumnKind.REAL, ColumnKind.INTEGER, ColumnKind.BOOLEAN}:
            raise data_error(
                "data.kind", f"column {name!r} holds {kind} where numbers are needed: leave it out of the features"
            )
        return np.array([np.nan if value is None else float(value) for value in values], np.float64)
    codes = texts.setdefault(name, {})
    words = (None if value is None else _label(value, kind) for value in values)
    return np.array([-1 if word is None else codes.setdefault(word, len(codes)) for word in words], np.int32)


def _taken(target: NDArray[Any], codes: Mapping[str, int], taking: Taking) -> NDArray[np.intp]:
    """Places of the training rows that are taken, by the values of their target."""
    if taking.rows.classes is None:
        return picked({"": np.flatnonzero(np.isfinite(target))}, {"": taking.rows.rows}, taking.seed)
    by_class = {label: np.flatnonzero(target == code) for label, code in codes.items()}
    return picked(by_class, taking.rows.classes, taking.seed)


def _labelled(data: TaskData) -> frozenset[str]:
    """Columns that are kept as codes and labels: those of words, and a target of classes."""
    words = Preparation.told(data.features, data.preparation, data.derived).words
    return frozenset(words) | ({data.target} if data.classes is not None else set())


def _label(value: object, kind: ColumnKind) -> str:
    """A class label as the owners registered it."""
    return ("false", "true")[bool(value)] if kind is ColumnKind.BOOLEAN else str(value)


def _described(name: str, labelled: frozenset[str], texts: Mapping[str, Mapping[str, int]]) -> Column:
    if name in labelled:
        return Column(name=name, encoding=Encoding.LABEL, labels=tuple(texts.get(name, {})))
    return Column(name=name, encoding=Encoding.NUMBER)
