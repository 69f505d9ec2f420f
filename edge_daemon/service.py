"""The edge daemon as a process: takes commands, has workers do them, says what came of it.

A command is acknowledged once it is in the job store; from there on the store drives, and the bus is only told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

from bus.errors import Configuration
from bus.runtime.listening import Work, learn_principals
from bus.runtime.service import Context, Task
from bus.wire import topology
from edge_daemon.edge import Edge
from edge_daemon.enrolment import enrolment
from edge_daemon.outbox import Outbox
from edge_daemon.patience import insist
from edge_daemon.settings import EdgeSettings
from edge_daemon.store import JobStore
from edge_daemon.workshop import Workshop
from training.registry import default_registry
from training.worker import sandbox
from training.worker.sandbox import Isolation
from training.worker.supervise import Run, run_worker

_log = logging.getLogger(__name__)


async def build(context: Context[EdgeSettings], run: Run = run_worker) -> Mapping[str, Task]:
    """Enrol; returns the root tasks.

    Args:
        context: Of the service.
        run: Runs workers.

    Raises:
        Configuration: Workers cannot be kept in as the settings demand.
    """
    walls = isolation(context.settings)
    directory = await learn_principals(context.broker, context.anchor)
    identity = context.voice.identity
    await context.voice.say(enrolment(identity.principal, default_registry(), walls))
    workshop = Workshop(context.settings, context.broker.blobs(), identity, walls, run)
    workshop.kept.sweep()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            path = context.settings.data / "jobs.sqlite"
            store = await insist(lambda: stack.enter_async_context(JobStore.opened(path, directory)))
            edge = Edge(context, store, workshop, Outbox(context, directory))
            consumer = topology.commands_of(identity.principal)
            work = Work(context.broker, consumer, directory, context.voice, edge.handle)
            async with asyncio.TaskGroup() as group:
                group.create_task(work.run(context.stop))
                group.create_task(edge.run())

    return {"commands": serve}


def isolation(settings: EdgeSettings) -> Isolation:
    """What keeps workers in here.

    Raises:
        Configuration: It is not what the settings demand.
    """
    best = sandbox.available()
    if settings.isolation is not None and settings.isolation is not best:
        raise Configuration(
            f"the settings demand isolation by {settings.isolation}, which does not work here (best: {best}): install "
            "bubblewrap, or leave the setting out",
            code="edge.isolation",
        )
    if best is not Isolation.BUBBLEWRAP:
        _log.warning(
            "workers are isolated by %s only: the vendor's code can read this user's files; install bubblewrap", best
        )
    return best
