"""The edge's own memory: its jobs, in SQLite. A command is acknowledged only once it is in here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    create_engine,
    delete,
    event,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import OperationalError

from bus.errors import Unavailable
from bus.identity.directory import Directory
from bus.wire.envelope import to_message
from bus.wire.message import Message, Stored
from bus.wire.record import Record
from edge_daemon.domain.jobs import Job, Outcome, State

_KEPT: Final = timedelta(days=8)
"""Longer than a command can be delivered again."""

_METADATA: Final = MetaData()
_JOBS: Final = Table(
    "jobs",
    _METADATA,
    Column("id", String, primary_key=True),
    Column("experiment", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("stored_at", DateTime, nullable=False),
    Column("subject", String, nullable=False),
    Column("headers", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", Text),
)
_UNFINISHED: Final = _JOBS.c.state.in_([state.value for state in State if not state.over])
_ADD: Final = insert(_JOBS).on_conflict_do_nothing()
_MOVE: Final = update(_JOBS).where(_JOBS.c.id == bindparam("job"), _UNFINISHED)
_FIND: Final = select(_JOBS.c.state).where(_JOBS.c.id == bindparam("job"))


class JobStore:
    """Jobs on disk; use through ``opened``. Its methods raise ``Unavailable`` while the disk does not take them.

    The file is written before anything follows from it, and read only when it is opened: this process is the only one
    that writes, so what is open is known in memory.

    Args:
        engine: Of the database.
        directory: Verifies the commands again when they are read back.
    """

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self._engine = engine
        self._directory = directory
        self._open: dict[str, Job] = {}
        self._writing = Lock()

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: Path, directory: Directory) -> AsyncIterator[Self]:
        """The jobs in the file ``path``, which is made if missing.

        Raises:
            Unavailable: It cannot be read or written at present.
        """
        engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
        event.listen(engine, "connect", _durable)
        store = cls(engine, directory)
        try:
            await asyncio.to_thread(store._load)
            yield store
        finally:
            await asyncio.to_thread(engine.dispose)

    async def accept(self, record: Record) -> None:
        """Note a command; one that is known already is left as it is."""
        await asyncio.to_thread(self._accept, record)

    async def open(self) -> Sequence[Job]:
        """Jobs that are not over, in the order of their commands."""
        return sorted(self._open.values(), key=lambda job: job.record.sequence)

    async def of(self, experiment: str) -> Sequence[Job]:
        """Jobs about one experiment that are not over."""
        return [job for job in await self.open() if job.command.experiment == experiment]

    async def move(self, identity: str, state: State, outcome: Outcome | None = None) -> None:
        """Note that a job that is not over has come to ``state``."""
        await asyncio.to_thread(self._move, identity, state, outcome)

    async def state(self, identity: str) -> State | None:
        """Where a job stands; ``None`` if there is none."""
        return await asyncio.to_thread(self._state, identity)

    # In threads, one at a time: who waits may be cancelled, what was begun is done to its end.

    def _load(self) -> None:
        with self._transaction() as connection:
            _METADATA.create_all(connection)
            old = (datetime.now(UTC) - _KEPT).replace(tzinfo=None)
            connection.execute(delete(_JOBS).where(~_UNFINISHED, _JOBS.c.stored_at < old))
            for row in connection.execute(select(_JOBS).where(_UNFINISHED)).mappings():
                self._open[row["id"]] = self._job(row)
            connection.commit()

    def _accept(self, record: Record) -> None:
        message = to_message(record.envelope)
        row = {
            "id": record.id,
            "experiment": str(getattr(record.body, "experiment", "")),
            "sequence": record.sequence,
            "stored_at": record.stored_at.astimezone(UTC).replace(tzinfo=None),
            "subject": message.subject,
            "headers": json.dumps(dict(message.headers)),
            "data": message.data,
            "state": State.ACCEPTED.value,
        }
        with self._transaction() as connection:
            is_new = connection.execute(_ADD, row).rowcount == 1
            connection.commit()
            if is_new:
                self._open[record.id] = Job(record, State.ACCEPTED)

    def _move(self, identity: str, state: State, outcome: Outcome | None) -> None:
        values: dict[str, Any] = {"state": state.value}
        if outcome is not None:
            values["outcome"] = outcome.model_dump_json()
        with self._transaction() as connection:
            connection.execute(_MOVE.values(values), {"job": identity})
            connection.commit()
            job = self._open.pop(identity, None)
            if job is not None and not state.over:
                self._open[identity] = Job(job.record, state, outcome or job.outcome)

    def _state(self, identity: str) -> State | None:
        with self._transaction() as connection:
            found = connection.execute(_FIND, {"job": identity}).scalar_one_or_none()
        return None if found is None else State(found)

    def _job(self, row: Any) -> Job:  # noqa: ANN401 - a row
        message = Message(row["subject"], json.loads(row["headers"]), row["data"])
        stored = Stored(message, row["sequence"], row["stored_at"].replace(tzinfo=UTC))
        record = Record.of(self._directory.verify(message), stored)
        outcome = None if row["outcome"] is None else Outcome.model_validate_json(row["outcome"])
        return Job(record, State(row["state"]), outcome)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Ended by its ``commit``; what SQLite cannot do with the disk as it is comes out as ``Unavailable``."""
        path = Path(self._engine.url.database or "")
        try:
            with self._writing, self._engine.connect() as connection:
                yield connection
        except OperationalError as error:
            raise Unavailable(
                f"the job store {path} cannot be used ({error.orig}): free space on the disk of {path.parent}, and see "
                "that this user may write there",
                code="edge.store",
            ) from error


def _durable(connection: Any, _: object) -> None:  # noqa: ANN401 - a driver's connection
    """On disk before it counts, and readers do not wait for writers."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
