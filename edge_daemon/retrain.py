"""``python -m edge_daemon.retrain --settings FILE``: does jobs of an edge again, and says what came of them.

For whoever proves a run at the edge's site; ``edge_daemon.domain.retraining`` has the questions on standard input and
the answers on standard output. Nothing is published, the data store is only read, and everything lies in a directory
of its own below the edge's ``data``, which is removed at the end. A daemon that runs beside it is not disturbed.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from bus.errors import MusterError
from bus.events.base import DatasetId, PrincipalId, Role
from bus.events.cycles import RunCycle
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker
from bus.runtime import logs
from bus.s3.settings import stores
from bus.weights import outgoing
from bus.wire import subjects
from bus.wire.envelope import wrap
from bus.wire.record import Record
from edge_daemon.domain.jobs import Job, State
from edge_daemon.domain.retraining import Answer, Question
from edge_daemon.encoding import FRAMES, frames_digest
from edge_daemon.environment import environment
from edge_daemon.export import profile
from edge_daemon.service import isolation
from edge_daemon.settings import EdgeSettings
from edge_daemon.workshop import Workshop
from training.errors import TrainingError
from training.worker.result import Progress

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024


class Bench:
    """Does jobs again, one at a time.

    Args:
        settings: Of the edge; ``data`` is a directory of our own.
        workshop: Where jobs are done, as the daemon does them.
    """

    def __init__(self, settings: EdgeSettings, workshop: Workshop) -> None:
        self._settings = settings
        self._workshop = workshop

    async def answer(self, question: Question) -> Answer:
        """What is asked for; a problem if it cannot be had."""
        shutil.rmtree(self._settings.data / "jobs", ignore_errors=True)
        try:
            if question.command is not None:
                return await self._do(question.command)
            return Answer(
                profile=await asyncio.to_thread(profile, self._settings.store_url, question.dataset or DatasetId(""))
            )
        except (MusterError, TrainingError) as error:
            return Answer(problem=error.message, code=error.code)

    async def _do(self, command: RunCycle) -> Answer:
        job = _job(command)
        outcome = await self._workshop.do(job, _nobody)
        if not outcome.has_weights:
            return Answer(outcome=outcome)
        # The next job of this edge may go on from what it keeps of this one.
        await asyncio.to_thread(self._workshop.keep, job)
        self._workshop.settle(job)
        weights = self._workshop.weights(job)
        if outcome.encoded is not None:
            frames = weights.with_name(FRAMES)
            return Answer(outcome=outcome, weights=frames, digest=await asyncio.to_thread(frames_digest, frames))
        digest, _ = await asyncio.to_thread(outgoing.digest_of, weights)
        return Answer(outcome=outcome, weights=weights, digest=digest)


async def serve(settings: EdgeSettings) -> None:
    """Answer questions until standard input ends; then what is under way is given up."""
    async with _questions() as reader:
        try:
            async with _bench(settings) as bench:
                _say(Answer(environment=environment()))
                await _converse(reader, bench)
        except MusterError as error:
            _say(Answer(problem=error.message, code=error.code))


async def _converse(reader: asyncio.StreamReader, bench: Bench) -> None:
    line = await reader.readline()
    while line:
        following = asyncio.ensure_future(reader.readline())
        answering = asyncio.ensure_future(bench.answer(Question.model_validate_json(line)))
        try:
            await asyncio.wait({answering, following}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                _say(answering.result())
            # Nobody asks again before there is an answer: the input has ended, or somebody is mistaken.
            line = await following if answering.done() else b""
        finally:
            for task in (answering, following):
                task.cancel()
            await asyncio.gather(answering, following, return_exceptions=True)


@asynccontextmanager
async def _bench(settings: EdgeSettings) -> AsyncIterator[Bench]:
    """A bench in a directory of its own; the rows for a job must not leave the place that the owner gave them.

    Raises:
        MusterError: Keys are missing, the bus is away, or workers cannot be kept in.
    """
    identity = Identity.load(settings.identity)
    walls = isolation(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    endpoint = Endpoint(settings.server_url, identity.principal, identity.nkey_seed)
    with tempfile.TemporaryDirectory(prefix="retrain-", dir=settings.data, ignore_cleanup_errors=True) as folder:
        own = settings.model_copy(update={"data": Path(folder)})
        async with JetStreamBroker.connect(endpoint, stores=stores(settings.s3)) as broker:
            yield Bench(own, Workshop(own, broker.blobs(), identity, walls))


@asynccontextmanager
async def _questions() -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader(limit=_MAX_LINE_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        yield reader
    finally:
        transport.close()


def _job(command: RunCycle) -> Job:
    """A job for a command that nobody gives: what it says follows from the log."""
    coordinator = PrincipalId(Role.COORDINATOR)
    subject, now = subjects.of(command, owner=command.owner, actor=coordinator), datetime.now(UTC)
    envelope = wrap(command, subject=subject, actor=coordinator, time=now)
    return Job(Record(envelope, sequence=0, stored_at=now), State.ACCEPTED)


async def _nobody(progress: Progress) -> None:
    """Nobody wants to know how far a worker is."""


def _say(answer: Answer) -> None:
    sys.stdout.write(answer.model_dump_json(exclude_none=True) + "\n")
    sys.stdout.flush()


def run(settings: Annotated[Path, typer.Option(help="YAML file with the edge's settings.")]) -> None:
    """Do jobs of an edge again, and say what came of them; for 'muster replay --retrain'."""
    logs.configure("warning")
    try:
        found = EdgeSettings.load(settings)
    except MusterError as error:
        _say(Answer(problem=error.message, code=error.code))
        return
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(found))


if __name__ == "__main__":
    typer.run(run)
