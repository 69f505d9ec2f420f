"""The catalogue row of a dataset: to and from its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.errors import Conflict, Integrity, MusterError
from bus.events.base import Digest
from ingest.domain.loading import LoadedPart, StoredDataset
from ingest.domain.profile import DatasetProfile, Split
from ingest.domain.schema import Column, Schema
from ingest.domain.sql_type import SqlType
from ingest.store.tables import DATASETS


async def find(connection: AsyncConnection, name: str) -> StoredDataset | None:
    """The dataset ``name``.

    Raises:
        Integrity: Its catalogue row cannot be read.
    """
    row = (await connection.execute(select(DATASETS).where(DATASETS.c.name == name))).mappings().first()
    if row is None:
        return None
    try:
        return StoredDataset(
            profile=DatasetProfile.model_validate_json(row["profile"]),
            schema=_schema(row["columns"]),
            parts=_parts(row["loads"]),
            table=row["table_name"],
            revision=row["revision"],
        )
    except (ValueError, KeyError, TypeError, MusterError) as error:
        raise Integrity(
            f"the catalogue row of the dataset {name!r} cannot be read: it was changed by something else, or written "
            "by a newer release; restore it from a backup, or delete the dataset and ingest it again",
            code="store.catalogue",
        ) from error


async def locked_revision(connection: AsyncConnection, name: str) -> int | None:
    """Revision of the dataset ``name``, which nobody else changes until the transaction ends; ``None`` without one."""
    query = select(DATASETS.c.revision).where(DATASETS.c.name == name).with_for_update()
    revision: int | None = (await connection.execute(query)).scalar_one_or_none()
    return revision


async def put(connection: AsyncConnection, dataset: StoredDataset, *, before: int | None, now: datetime) -> None:
    """Write the row of ``dataset``, whose revision is ``before`` (``None``: there is none yet).

    Raises:
        Conflict: It has another revision.
    """
    values = _values(dataset) | {"updated_at": now}
    if before is None:
        await connection.execute(insert(DATASETS).values(values | {"created_at": now}))
        return
    name = dataset.profile.dataset
    changed = update(DATASETS).where(DATASETS.c.name == name, DATASETS.c.revision == before).values(values)
    if (await connection.execute(changed)).rowcount != 1:
        raise overtaken(name)


def overtaken(name: str) -> Conflict:
    """Another run was first."""
    return Conflict(f"another run changed the dataset {name!r} at the same time; run again", code="dataset.overtaken")


def _values(dataset: StoredDataset) -> dict[str, Any]:
    profile = dataset.profile
    columns = [
        {
            "column": f"c{place}",
            "name": column.name,
            "kind": column.kind.value,
            "sql_type": str(column.type),
            "nullable": column.nullable,
        }
        for place, column in enumerate(dataset.schema.columns)
    ]
    loads = {
        split.value: [{"load": part.load, "rows": part.rows, "digest": part.digest} for part in parts]
        for split, parts in dataset.parts.items()
    }
    return {
        "name": profile.dataset,
        "category": profile.category.value,
        "target": profile.target,
        "table_name": dataset.table,
        "columns": json.dumps(columns, ensure_ascii=False),
        "profile": profile.model_dump_json(),
        "loads": json.dumps(loads),
        "revision": dataset.revision,
    }


def _schema(text: str) -> Schema:
    return Schema(
        tuple(Column(item["name"], SqlType.parse(item["sql_type"]), item["nullable"]) for item in json.loads(text))
    )


def _parts(text: str) -> Mapping[Split, tuple[LoadedPart, ...]]:
    return {
        Split(split): tuple(LoadedPart(part["load"], part["rows"], Digest(part["digest"])) for part in parts)
        for split, parts in json.loads(text).items()
    }
