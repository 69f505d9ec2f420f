"""Tables of the store; what they mean is written in the package's docstring."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from bus.events.datasets import ColumnKind
from ingest.domain.schema import Schema
from ingest.domain.sql_type import SqlName, SqlType

METADATA: Final = MetaData()

_MYSQL: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_MOMENT: Final = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
_LONG: Final = Text().with_variant(mysql.LONGTEXT(), "mysql")
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")

_STORAGE: Final[dict[ColumnKind, TypeEngine[Any]]] = {
    ColumnKind.REAL: Double(),
    ColumnKind.INTEGER: BigInteger(),
    ColumnKind.BOOLEAN: SmallInteger(),
    ColumnKind.TEXT: Text(),
    ColumnKind.TIMESTAMP: _MOMENT,
}
_MOMENTS: Final[dict[SqlName, TypeEngine[Any]]] = {
    SqlName.DATE: Date(),
    SqlName.TIME: Time().with_variant(mysql.TIME(fsp=6), "mysql"),
}

DATASETS: Final = Table(
    "muster_datasets",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("category", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("table_name", String(64), nullable=False),
    Column("columns", _LONG, nullable=False),
    Column("profile", _LONG, nullable=False),
    Column("loads", _LONG, nullable=False),
    Column("revision", BigInteger(), nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("updated_at", _MOMENT, nullable=False),
    **_MYSQL,
)

LOADS: Final = Table(
    "muster_loads",
    METADATA,
    Column("load", _NUMBER, primary_key=True, autoincrement=True),
    Column("dataset", String(64), nullable=False),
    Column("split", String(16), nullable=False),
    Column("table_name", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rows", BigInteger(), nullable=False),
    Column("started_at", _MOMENT, nullable=False),
    Index("muster_loads_by_split", "dataset", "split"),
    sqlite_autoincrement=True,
    **_MYSQL,
)

_SLUG: Final = 32


def table_name(dataset: str, load: int) -> str:
    """A name that no table ever had: the dataset's in lower case, and the number of the load that creates it."""
    slug = re.sub(r"[^a-z0-9]+", "_", dataset.lower())[:_SLUG].strip("_")
    return f"dataset_{slug}_{load}" if slug else f"dataset_{load}"


def data_table(name: str, schema: Schema) -> Table:
    """The table for the rows of a dataset with ``schema``."""
    cells = [Column(f"c{place}", storage(column.type)) for place, column in enumerate(schema.columns)]
    return Table(
        name,
        MetaData(),
        Column("_load", BigInteger(), primary_key=True, autoincrement=False),
        Column("_row", BigInteger(), primary_key=True, autoincrement=False),
        Column("_split", String(16), nullable=False),
        *cells,
        sqlite_with_rowid=False,
        **_MYSQL,
    )


def storage(sql_type: SqlType) -> TypeEngine[Any]:
    """How a column is kept: by kind, so that each value comes back the same from every database."""
    if sql_type.name in _MOMENTS:
        return _MOMENTS[sql_type.name]
    return _STORAGE[sql_type.kind]
