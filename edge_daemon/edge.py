"""From command to answer: which job runs when, and that each comes to its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from bus.errors import MusterError, Unavailable
from bus.events.cycles import CancelExperiment, Progress, RunCycle
from bus.runtime import telemetry
from bus.runtime.service import Context
from bus.wire.record import Record
from edge_daemon import disk
from edge_daemon.domain.jobs import Job, Outcome, State, superseded
from edge_daemon.outbox import Outbox
from edge_daemon.patience import insist
from edge_daemon.settings import EdgeSettings
from edge_daemon.store import JobStore
from edge_daemon.workshop import Workshop
from training.errors import Category, Phase, TrainingError
from training.worker.result import Progress as WorkerProgress

_log = logging.getLogger(__name__)


class Edge:
    """Drives the jobs of one edge.

    Args:
        context: Of the service.
        store: Where jobs are kept.
        workshop: Where they are done.
        outbox: Where results leave.
    """

    def __init__(self, context: Context[EdgeSettings], store: JobStore, workshop: Workshop, outbox: Outbox) -> None:
        self._context = context
        self._store = store
        self._workshop = workshop
        self._outbox = outbox
        self._running: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()

    async def handle(self, record: Record) -> None:
        """Take in a command; returns once it is stored."""
        command = record.body
        if isinstance(command, RunCycle):
            await self._store.accept(record)
            for job in await self._earlier(record):
                if superseded(job, command):
                    await self._cancel(job, "a newer command")
        elif isinstance(command, CancelExperiment):
            for job in await self._earlier(record):
                await self._cancel(job, "the coordinator")
            self._workshop.leave(command.experiment)
        self._news.set()

    async def run(self) -> None:
        """Do jobs until the service stops; what is under way then is done again after the next start."""
        stopping = asyncio.ensure_future(self._context.stop.wait())
        try:
            while not self._context.stop.is_set():
                self._news.clear()
                await self._start()
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({news, stopping, *self._running.values()}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                for identity in [identity for identity, task in self._running.items() if task.done()]:
                    await self._settle(self._running.pop(identity))
        finally:
            stopping.cancel()
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _start(self) -> None:
        """Begin open jobs, the oldest first, as far as there are workers for them."""
        for job in await insist(self._store.open):
            if len(self._running) >= self._context.settings.workers:
                return
            if job.id not in self._running:
                self._running[job.id] = asyncio.create_task(self._do(job))

    @staticmethod
    async def _settle(task: asyncio.Task[None]) -> None:
        with suppress(asyncio.CancelledError):
            await task

    async def _earlier(self, record: Record) -> list[Job]:
        """Open jobs of the same experiment from before ``record``."""
        experiment = getattr(record.body, "experiment", "")
        return [job for job in await self._store.of(experiment) if job.record.sequence < record.sequence]

    async def _cancel(self, job: Job, why: str) -> None:
        _log.info("job cancelled by %s", why, extra=_facts(job))
        await self._store.move(job.id, State.CANCELLED)
        if (task := self._running.get(job.id)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._workshop.forget(job)

    async def _do(self, job: Job) -> None:
        """Bring a job from where it stands to its end."""
        parent = job.record.envelope.traceparent
        with telemetry.span("job", parent=parent, cycle=str(job.command.cycle), experiment=job.command.experiment):
            if job.state is State.ACCEPTED:
                outcome = await self._work(job)
                await self._note(job, State.WORKED, outcome)
                job = job.worked(outcome)
            try:
                await insist(lambda: asyncio.to_thread(self._workshop.keep, job))
                await insist(lambda: self._outbox.send(job, self._workshop.weights(job)))
            except MusterError:
                _log.exception("what came of a job cannot be said", extra=_facts(job))
                await self._note(job, State.CANCELLED)
            else:
                await self._note(job, State.SAID)
                self._workshop.settle(job)
            await self._workshop.forget(job)

    async def _note(self, job: Job, state: State, outcome: Outcome | None = None) -> None:
        """Store where a job stands; nothing follows from it before that is done."""
        await insist(lambda: self._store.move(job.id, state, outcome))

    async def _work(self, job: Job) -> Outcome:
        late = TrainingError(
            Category.INFRA,
            "cycle.late",
            "the cycle's deadline had passed before work could begin",
            phase=Phase.ACCEPT,
        )

        async def tell(progress: WorkerProgress) -> None:
            await self._report(job, "working", progress)

        async def attempt() -> Outcome:
            nonlocal late
            if job.late(self._context.broker.now()):
                return self._workshop.refuse(late)
            try:
                return await self._workshop.do(job, tell)
            except Unavailable as error:
                if error.code == disk.CODE:
                    why = "the edge's disk was full until the deadline"
                    late = TrainingError(Category.INFRA, disk.CODE, why, phase=Phase.ACCEPT)
                    await self._report(job, "waiting, its disk is full", WorkerProgress(done=0, total=0))
                raise

        try:
            with telemetry.span("worker", cycle=str(job.command.cycle)):
                outcome = await insist(attempt)
        except Exception as error:  # noqa: BLE001 - the worker's supervisor: one job must not end the daemon
            _log.exception("a job failed unexpectedly", extra=_facts(job))
            surprise = TrainingError(Category.INFRA, "edge.failed", f"the edge failed with {type(error).__name__}")
            outcome = self._workshop.refuse(surprise)
        if outcome.failure is not None:
            code, message = outcome.failure.code, outcome.failure.message
            _log.warning("job failed: %s", message, extra={**_facts(job), "code": code})
        return outcome

    async def _report(self, job: Job, phase: str, progress: WorkerProgress) -> None:
        signal = Progress(
            edge=self._context.voice.identity.principal,
            experiment=job.command.experiment,
            cycle=job.command.cycle,
            phase=phase,
            done=progress.done,
            total=progress.total,
            loss=progress.loss,
        )
        with suppress(Unavailable):
            await self._context.voice.report(signal, owner=job.owner)


def _facts(job: Job) -> dict[str, str]:
    return {"experiment": job.command.experiment, "cycle": str(job.command.cycle)}
