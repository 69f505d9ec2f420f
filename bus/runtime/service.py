"""The life of a service: connect, serve until told to stop, drain, close.

``serve`` runs a fixed set of named tasks. When one of them fails, all end and the process with them: whoever
supervises it (``muster up``, Kubernetes) starts it again, and the log has everything it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import typer

from bus.errors import MusterError, Unavailable, treatment
from bus.events.principals import LeaseRenewed
from bus.identity.directory import Directory, Principal
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker
from bus.ports import Broker
from bus.runtime import logs, memory, telemetry
from bus.runtime.settings import ServiceSettings
from bus.runtime.voice import Voice
from bus.s3.settings import stores

_log = logging.getLogger(__name__)

_DRAIN_S: Final = 10.0
S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class Context(Generic[S]):
    """What a service is given.

    Attributes:
        settings: Its own.
        broker: The bus.
        voice: To speak on it.
        anchor: Whom to believe first.
        directory: Whom to believe; grows with what is read.
        stop: Set when the service shall end.
    """

    settings: S
    broker: Broker
    voice: Voice
    anchor: Principal
    directory: Directory
    stop: asyncio.Event


Task = Callable[[], Awaitable[None]]
Build = Callable[[Context[S]], Awaitable[Mapping[str, Task]]]
"""Prepares a service and returns its root tasks by name. A task ends when ``stop`` is set."""


async def serve(settings: S, build: Build[S], *, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Run a service until ``stop`` is set.

    Args:
        settings: Its settings.
        build: Prepares it.
        ready: Set once it works.
        stop: Ends it: intake first, then what is under way, for at most ten seconds.

    Raises:
        Configuration: Keys or settings are wrong.
        MusterError: What a task could not handle.
    """
    identity = Identity.load(settings.identity)
    endpoint = Endpoint(settings.server_url, identity.principal, identity.nkey_seed)
    async with JetStreamBroker.connect(endpoint, patient=True, stores=stores(settings.s3)) as broker:
        await serve_on(broker, settings, build, ready=ready, stop=stop)


async def serve_on(broker: Broker, settings: S, build: Build[S], *, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """``serve`` on a broker that is there, such as one in memory. Arguments and errors as ``serve``."""
    identity = Identity.load(settings.identity)
    anchor = Principal.load(settings.anchor)
    settings.data.mkdir(parents=True, exist_ok=True)
    voice = Voice(broker, identity)
    context = Context(settings, broker, voice, anchor, Directory(anchor), stop)
    tasks = dict(await build(context))
    tasks["lease"] = lambda: hold_lease(voice, settings.lease_s, stop)
    ready.set()
    _log.info("serving", extra={"principal": identity.principal})
    await run_tasks(tasks, stop)


async def run_tasks(tasks: Mapping[str, Task], stop: asyncio.Event) -> None:
    """Run named tasks together; when ``stop`` is set they get ten seconds to end.

    Raises:
        MusterError: The first failure of a task, after all others were ended.
    """
    running = {asyncio.ensure_future(task()): name for name, task in tasks.items()}
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        ended = next((running[task] for task in running if task.done()), None)
        if ended is not None and not stop.is_set():
            _log.error("task %s ended: the service ends too", ended)
        stop.set()
        await asyncio.wait(running, timeout=_DRAIN_S)
    finally:
        stopping.cancel()
        for task in running:
            task.cancel()
        outcomes = await asyncio.gather(*running, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def hold_lease(voice: Voice, lease_s: float, stop: asyncio.Event) -> None:
    """Say that this process is alive, three times per lease, until ``stop`` is set."""
    lease = LeaseRenewed(holder=voice.identity.principal, incarnation=secrets.token_hex(8), valid_s=lease_s)
    while not stop.is_set():
        try:
            await voice.renew(lease)
        except Unavailable as error:
            _log.debug("lease not renewed: %s", error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(lease_s / 3):
                await stop.wait()


def main(name: str, settings_type: type[S], build: Build[S]) -> None:
    """Entry point of a service's ``__main__``: ``python -m <service> --settings FILE``."""

    def run(
        settings: Path = typer.Option(..., help="YAML file with the service's settings."),
    ) -> None:
        sys.exit(_process(name, settings_type, settings, build))

    typer.run(run)


def _process(name: str, settings_type: type[S], file: Path, build: Build[S]) -> int:
    logs.configure("info")
    memory.keep_freed()
    try:
        settings = settings_type.load(file)
        logs.configure(settings.log_level)
        finish = telemetry.configure(name, settings.identity.name, settings.trace_file)
        try:
            asyncio.run(_until_signalled(settings, build))
        finally:
            finish()
    except MusterError as error:
        _log.exception("the service ends: %s", error)
        return treatment(error).exit_code
    return 0


async def _until_signalled(settings: S, build: Build[S]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, build, ready=asyncio.Event(), stop=stop)
