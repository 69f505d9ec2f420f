"""A reader that knows the tables only from the contract in ``ingest.store``: reflection, no import of the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def engine(url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(url.replace("mysql://", "mysql+pymysql://", 1))
    try:
        yield made
    finally:
        made.dispose()


def read_split(url: str, name: str, split: str) -> list[tuple[object, ...]] | None:
    """The rows of a split; ``None`` when there is no such dataset."""
    with engine(url) as made, made.connect() as connection, connection.begin():
        if not sa.inspect(connection).has_table("muster_datasets"):
            return None
        datasets = sa.Table("muster_datasets", sa.MetaData(), autoload_with=connection)
        entry = connection.execute(sa.select(datasets).where(datasets.c.name == name)).mappings().first()
        if entry is None:
            return None
        table = sa.Table(entry["table_name"], sa.MetaData(), autoload_with=connection)
        columns = [_column(table.c[column["column"]], column["kind"]) for column in json.loads(entry["columns"])]
        rows: list[tuple[object, ...]] = []
        for load in json.loads(entry["loads"]).get(split, []):
            query = sa.select(*columns).where(table.c["_load"] == load["load"]).order_by(table.c["_row"])
            found = [tuple(row) for row in connection.execute(query)]
            assert len(found) == load["rows"]
            rows += found
        return rows


def _column(column: sa.Column[object], kind: str) -> sa.ColumnElement[object]:
    """By kind: a reflected DOUBLE would come as a Decimal."""
    return sa.type_coerce(column, sa.Double()) if kind == "real" else column


def catalogue(url: str, name: str) -> dict[str, object]:
    """The catalogue row of a dataset, JSON read."""
    with engine(url) as made, made.connect() as connection:
        datasets = sa.Table("muster_datasets", sa.MetaData(), autoload_with=connection)
        entry = dict(connection.execute(sa.select(datasets).where(datasets.c.name == name)).mappings().one())
    return {k: json.loads(v) if k in {"columns", "profile", "loads"} else v for k, v in entry.items()}


def leftovers(url: str) -> dict[str, object]:
    """Whatever is in the store besides the rows that count; empty when it is tidy."""
    with engine(url) as made, made.connect() as connection:
        meta = sa.MetaData()
        meta.reflect(connection)
        used: dict[str, set[int]] = {}
        for table_name, loads in connection.execute(sa.text("SELECT table_name, loads FROM muster_datasets")):
            numbers = {part["load"] for parts in json.loads(loads).values() for part in parts}
            used.setdefault(table_name, set()).update(numbers)
        found: dict[str, object] = {}
        for name, table in meta.tables.items():
            if not name.startswith("dataset_"):
                continue
            there = set(connection.execute(sa.select(table.c["_load"]).distinct()).scalars())
            if name not in used or there - used[name]:
                found[name] = there
        journal = meta.tables["muster_loads"]
        odd = connection.execute(sa.select(journal).where(journal.c.state != "live")).all()
        return found | ({"journal": odd} if odd else {})
