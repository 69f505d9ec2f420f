"""Connections to the owner's database and the three ways to use one: to write, to read, and bare."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bus.errors import Configuration
from ingest.store.errors import translated

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "mysql": "mysql+aiomysql",
    "mysql+aiomysql": "mysql+aiomysql",
    "mariadb": "mysql+aiomysql",
    "mariadb+aiomysql": "mysql+aiomysql",
}
_CONNECT_S: Final = 10
"""A server that does not answer a connection in this time is away."""
_LOCK_S: Final = 30
"""Longest wait for a lock on rows, or on the SQLite file; writers hold theirs for one batch."""
_DDL_S: Final = 3
"""Longest wait until readers let go of a table that is to be dropped; if they do not, the next run drops it."""
_SESSION: Final = (
    "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE', "
    f"lock_wait_timeout={_DDL_S}, innodb_lock_wait_timeout={_LOCK_S}"
)
_BEGIN: Final = "muster_begin"


def address(url: str) -> URL:
    """The database that ``url`` names, with the driver that we use.

    Raises:
        Configuration: It is no URL of SQLite, MariaDB or MySQL, or of a database in memory.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _bad_url("it is not a URL") from error
    except ValueError as error:
        raise _bad_url("its port is not a number") from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise _bad_url(f"{parsed.drivername!r} is not a database that is known")
    if not parsed.database or parsed.database == ":memory:":
        raise _bad_url("it names no file or database, so nothing would be kept")
    return parsed.set(drivername=driver)


def _bad_url(reason: str) -> Configuration:
    return Configuration(
        f"the store's URL is not usable: {reason}; expected sqlite:////absolute/path.db or "
        "mysql://user:password@host:3306/database (percent-encode special characters of the password)",
        code="store.url",
    )


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine for ``url``, closed at the end.

    Raises:
        Configuration: The URL is not usable, or its driver is not installed.
    """
    engine = _engine(address(url))
    try:
        yield engine
    finally:
        await engine.dispose()


def _engine(url: URL) -> AsyncEngine:
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database is not None and not Path(url.database).absolute().parent.is_dir():
        raise Configuration(f"the folder of the store {url.database} does not exist; create it", code="store.folder")
    arguments: dict[str, Any] = {"connect_timeout": _CONNECT_S, "charset": "utf8mb4", "init_command": _SESSION}
    if sqlite:
        arguments = {"timeout": _LOCK_S, "isolation_level": None}
    try:
        level = None if sqlite else "REPEATABLE READ"
        engine = create_async_engine(url, hide_parameters=True, connect_args=arguments, isolation_level=level)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise Configuration(
            "the driver for this database is not installed: pip install 'muster-fl[mysql]'", code="store.driver"
        ) from error
    if sqlite:
        event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """SQLite only: begin as the caller wishes. A writer takes the write lock at once, so that it cannot fail later."""
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN IMMEDIATE")
    if statement:
        connection.exec_driver_sql(statement)


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that writes: committed at the end, rolled back on an error.

    Raises:
        MusterError: The database refuses; see ``translated``.
    """
    with translated():
        async with engine.connect() as connection, connection.begin():
            yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that reads one state of the database and holds up nobody.

    Raises:
        MusterError: The database refuses; see ``translated``.
    """
    with translated():
        async with engine.connect() as connection:
            await connection.execution_options(**{_BEGIN: "BEGIN"})
            async with connection.begin():
                yield connection


@asynccontextmanager
async def bare(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement stands alone: for DDL, which MariaDB has in no transaction, and pragmas.

    Raises:
        MusterError: The database refuses; see ``translated``.
    """
    with translated():
        async with engine.connect() as connection:
            await connection.execution_options(**{_BEGIN: ""})
            yield connection
            await connection.commit()
