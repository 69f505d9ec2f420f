"""The database's errors in our words.

Messages tell what to do. They never hold a password, a statement's parameters or a row's values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bus.errors import Configuration, Conflict, Integrity, Invalid, MusterError, Timeout, Unavailable


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of SQLAlchemy and its drivers into ours.

    Raises:
        Configuration: Wrong address, password, rights, or a read-only database.
        Unavailable: Server away, disk full, locked for too long.
        Timeout: The connection was lost; whether the last statement had an effect is unknown.
        Conflict: Somebody else changed the same thing at the same time.
        Invalid: The database cannot hold such a table or value.
        Integrity: The database is damaged.
    """
    try:
        yield
    except DBAPIError as error:
        raise _ours(error.orig) from error
    except PoolTimeout as error:
        raise Unavailable("the store has no free connection; try again", code="store.pool") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise Unavailable(f"the store failed: {type(error).__name__}", code="store.failed") from error
    except OSError as error:
        raise Unavailable(
            f"the store cannot be reached: {error.strerror or type(error).__name__}", code="store.away"
        ) from error


_Meaning = tuple[type[MusterError], str, str]
_LOST: Final[_Meaning] = (Timeout, "store.lost", "the connection to the store was lost; run the same again")
_GONE: Final[_Meaning] = (Conflict, "store.gone", "the dataset was changed or deleted at the same time; run again")
_WIDE: Final[_Meaning] = (
    Invalid,
    "store.width",
    "the database cannot hold that many columns in one row; ingest fewer columns, or text columns as codes",
)
_FULL: Final[_Meaning] = (Unavailable, "store.full", "the store's disk is full; free some space, then run again")
_READ_ONLY: Final[_Meaning] = (
    Configuration,
    "store.read_only",
    "the store cannot be written: check the rights of the file and its folder, or the server's read-only setting",
)
_BUSY: Final[_Meaning] = (Unavailable, "store.busy", "the store is locked by another process; try again")
_DENIED: Final[_Meaning] = (
    Configuration,
    "store.denied",
    "the database refuses this user: check name, password and rights (create, drop, read and write tables)",
)

_MYSQL: Final[dict[int, _Meaning]] = {
    1044: _DENIED,
    1045: _DENIED,
    1142: _DENIED,
    1227: _DENIED,
    1698: _DENIED,
    1049: (Configuration, "store.database", "the database in the store's URL does not exist on the server; create it"),
    2003: (Unavailable, "store.away", "the database server does not answer: check host and port, and that it runs"),
    2002: (Unavailable, "store.away", "the database server does not answer: check host and port, and that it runs"),
    1040: (Unavailable, "store.busy", "the database server has no free connection; try again"),
    2006: _LOST,
    2013: _LOST,
    2014: _LOST,
    1053: _LOST,
    1205: _BUSY,
    1213: (Conflict, "store.deadlock", "another run changed the same dataset at the same time; run again"),
    1062: (Conflict, "store.duplicate", "another run changed the same dataset at the same time; run again"),
    1050: (Conflict, "store.duplicate", "another run created the same table at the same time; run again"),
    1051: _GONE,
    1146: _GONE,
    1021: _FULL,
    1114: _FULL,
    1290: _READ_ONLY,
    1836: _READ_ONLY,
    1117: _WIDE,
    1118: _WIDE,
    1153: (Configuration, "store.packet", "a batch is larger than max_allowed_packet: take a smaller batch_size"),
}
_SQLITE: Final[dict[int, _Meaning]] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_IOERR: (Unavailable, "store.disk", "reading or writing the store's file failed: check the disk"),
    sqlite3.SQLITE_CORRUPT: (Integrity, "store.corrupt", "the store's file is damaged; restore it from a backup"),
    sqlite3.SQLITE_NOTADB: (Configuration, "store.file", "the store's file is not an SQLite database; name another"),
    sqlite3.SQLITE_CONSTRAINT: (Conflict, "store.duplicate", "another run changed the same dataset; run again"),
}


def _ours(cause: BaseException | None) -> MusterError:
    meaning, number = _lookup(cause)
    if meaning is None:
        name = type(cause).__name__
        return Unavailable(f"the store failed: {name} {number}; see the database's own log", code="store.failed")
    family, code, message = meaning
    return family(message, code=code)


def _lookup(cause: BaseException | None) -> tuple[_Meaning | None, int | None]:
    if isinstance(cause, sqlite3.Error):
        number: int | None = getattr(cause, "sqlite_errorcode", None)
        if "no such table" in str(cause):
            return _GONE, number
        return _SQLITE.get((number or 0) & 0xFF), number
    first = cause.args[0] if cause is not None and cause.args else None
    number = first if isinstance(first, int) else None
    return _MYSQL.get(number or 0), number
