"""The audit sink's own copy of the log, with the hashes of its Merkle tree, in SQL.

Messages, hashes and position are stored in one transaction, so that the tree is always that of the stored messages.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC
from typing import Any, Final, Self

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from audit_sink.domain.leaf import leaf_bytes
from audit_sink.domain.merkle import Frontier, Node, leaf_hash
from bus.errors import Configuration, Conflict, Integrity, Unavailable
from bus.wire.message import Message, Stored

_LONG: Final = Text().with_variant(mysql.LONGTEXT(), "mysql")
_BYTES: Final = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql")
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")

_METADATA: Final = MetaData()
_EVENTS: Final = Table(
    "events",
    _METADATA,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("stored_at", DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql"), nullable=False),
    Column("subject", Text(), nullable=False),
    Column("headers", _LONG, nullable=False),
    Column("data", _BYTES, nullable=False),
)
_NODES: Final = Table(
    "nodes",
    _METADATA,
    Column("level", SmallInteger(), primary_key=True),
    Column("index", BigInteger(), primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)


class EventStore:
    """Messages and tree; use through ``opened``.

    Args:
        engine: Of the database.
        frontier: Of the stored tree.
    """

    def __init__(self, engine: AsyncEngine, frontier: Frontier) -> None:
        self._engine = engine
        self.frontier = frontier

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """The store at ``url``, made if missing.

        Raises:
            Integrity: Messages and tree do not belong together.
            Configuration: The URL is wrong.
            Unavailable: The database is away or full.
        """
        engine = _engine(url)
        try:
            with _translated():
                async with engine.begin() as connection:
                    await connection.run_sync(_METADATA.create_all)
                    frontier = await _frontier(connection)
            yield cls(engine, frontier)
        finally:
            await engine.dispose()

    @property
    def size(self) -> int:
        """Messages that are stored; the sequence of the last one."""
        return self.frontier.size

    async def append(self, batch: Sequence[Stored]) -> None:
        """Store the next messages.

        Raises:
            Integrity: A message is missing before one of them.
            Conflict: Another process stored them here.
            Unavailable: The database is away or full.
        """
        frontier, nodes = self.frontier, list[Node]()
        for stored in batch:
            if stored.sequence != frontier.size + 1:
                raise Integrity(
                    f"message {frontier.size + 1} is missing from the log; the next one is {stored.sequence}: the "
                    "server lost events, restore its store from a replica or a backup",
                    code="log.gap",
                )
            frontier, grown = frontier.append(leaf_of(stored))
            nodes += grown
        with _translated():
            async with self._engine.begin() as connection:
                await connection.execute(insert(_EVENTS), [_row(stored) for stored in batch])
                await connection.execute(
                    insert(_NODES), [{"level": n.level, "index": n.index, "hash": n.hash} for n in nodes]
                )
        self.frontier = frontier

    async def last(self) -> Stored | None:
        """The last message."""
        query = select(_EVENTS).order_by(_EVENTS.c.sequence.desc()).limit(1)
        with _translated():
            async with self._engine.connect() as connection:
                row = (await connection.execute(query)).mappings().first()
        if row is None:
            return None
        message = Message(row["subject"], json.loads(row["headers"]), row["data"])
        return Stored(message, row["sequence"], row["stored_at"].replace(tzinfo=UTC))

    async def last_under(self, prefix: str) -> int:
        """Sequence of the last message whose subject begins with ``prefix``; 0 if there is none."""
        return await self._last(_EVENTS.c.subject.startswith(prefix, autoescape=True))

    async def last_beside(self, prefix: str) -> int:
        """Sequence of the last message whose subject does not begin with ``prefix``; 0 if there is none."""
        return await self._last(~_EVENTS.c.subject.startswith(prefix, autoescape=True))

    async def _last(self, condition: ColumnElement[bool]) -> int:
        query = select(_EVENTS.c.sequence).where(condition).order_by(_EVENTS.c.sequence.desc()).limit(1)
        with _translated():
            async with self._engine.connect() as connection:
                return (await connection.execute(query)).scalar_one_or_none() or 0


def leaf_of(stored: Stored) -> bytes:
    """The leaf hash of a message."""
    message = stored.message
    return leaf_hash(leaf_bytes(stored.sequence, message.subject, message.headers, message.data))


async def _frontier(connection: AsyncConnection) -> Frontier:
    size = (await connection.execute(select(func.max(_EVENTS.c.sequence)))).scalar_one() or 0
    wanted = [(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1]
    hashes: dict[tuple[int, int], bytes] = {}
    for level, index in wanted:
        query = select(_NODES.c.hash).where(_NODES.c.level == level, _NODES.c.index == index)
        found = (await connection.execute(query)).scalar_one_or_none()
        if found is None:
            raise Integrity(
                f"the audit store has {size} messages but not the tree above them: restore it from a backup, or remove "
                "it to have it built again from the log",
                code="store.tree",
            )
        hashes[(level, index)] = found
    return Frontier.load(size, lambda level, index: hashes[(level, index)])


def _row(stored: Stored) -> dict[str, Any]:
    message = stored.message
    return {
        "sequence": stored.sequence,
        "stored_at": stored.stored_at.replace(tzinfo=None),
        "subject": message.subject,
        "headers": json.dumps(dict(message.headers)),
        "data": message.data,
    }


def _engine(url: str) -> AsyncEngine:
    try:
        engine = create_async_engine(url, hide_parameters=True)
    except (ArgumentError, InvalidRequestError, ImportError) as error:
        raise Configuration(
            "store_url is not an address of a database with an asynchronous driver, such as "
            "sqlite+aiosqlite:///events.sqlite or mysql+aiomysql://user:password@host/name",
            code="store.url",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _durable)
    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """The database's errors in our words, without values: statements hold messages."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(
            "another process wrote to the audit store at the same time: let one audit sink use it", code="store.shared"
        ) from error
    except DBAPIError as error:
        raise Unavailable(
            f"the audit store failed with {type(error.orig).__name__}: see that the database runs, is not locked and "
            "has space left; the sink goes on where it was",
            code="store.failed",
        ) from error


def _durable(connection: Any, _: object) -> None:  # noqa: ANN401 - a driver's connection
    """On disk before it counts."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
