"""Runs a federation: the NATS server and one process per service, each started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from bus.errors import Configuration, MusterError, Unavailable
from bus.events.base import FEDERATION, OwnerId
from bus.events.governance import VendorAllowed
from bus.events.principals import LeaseRenewed, PrincipalRegistered
from bus.identity.directory import Principal
from bus.identity.keys import Identity
from bus.identity.permissions import permissions
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.health import Watcher
from bus.jetstream.provision import provide_consumer, provide_streams
from bus.jetstream.server import LEAST_FREE_BYTES, EmbeddedServer, ServerSettings
from bus.processes import die_with_parent
from bus.runtime.listening import ignore, learn_principals, verified
from bus.runtime.voice import Voice
from bus.s3.settings import stores
from bus.wire import topology
from bus.wire.topology import StreamName
from muster.federation.layout import OPERATOR, SERVICES, Description, Layout
from muster.federation.store import first_write_stays

_log = logging.getLogger(__name__)

_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
_STABLE_S: Final = 10.0
_STOP_S: Final = 15.0
_READY_S: Final = 60.0
_LOOK_S: Final = 1.0
"""How often the server is asked whether it still stores messages."""
_AGAIN_S: Final = 5.0
"""Not sooner than this is a server restarted again that is still in trouble."""
_MODULES: Final = {name: name for name in SERVICES}


class Child(Protocol):
    """A process that the supervisor keeps alive."""

    @property
    def pid(self) -> int:
        """Of the running process."""
        ...

    async def start(self) -> None:
        """Start it."""
        ...

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class Service:
    """One service as a child process; its log goes to a file."""

    def __init__(self, layout: Layout, principal: str) -> None:
        self._module = _MODULES.get(principal, "edge_daemon")
        self._settings = layout.settings(principal)
        self._log = layout.log(principal)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the process; it works once it holds a lease."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # whatever lies in the working directory is not our code
                "-m",
                self._module,
                "--settings",
                str(self._settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )

    async def wait(self) -> int:
        """Its exit status."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end; make it, if it takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Supervisor:
    """Keeps all processes of a federation alive; use through ``running``."""

    def __init__(self, layout: Layout, on_restart: Callable[[str, int], None]) -> None:
        self.layout = layout
        self.description = layout.read()
        self._on_restart = on_restart
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._watcher = Watcher.generate()

    async def start(self) -> None:
        """Start the server, put everything in place, start the services.

        Raises:
            Configuration: The server or the port cannot be had.
        """
        server = EmbeddedServer(self._server_settings())
        await self._keep("nats-server", server)
        await self._provide()
        self._keepers.append(asyncio.create_task(self._watch(server), name="watch-nats-server"))
        for principal in (*SERVICES, *self.description.edges):
            await self._keep(principal, Service(self.layout, principal))

    async def ready(self) -> None:
        """Wait until every service holds a lease of its own.

        Raises:
            Unavailable: Somebody is missing after a minute; the message says whose log to read.
        """
        missing = {*SERVICES, *self.description.edges}
        operator = Identity.load(self.layout.identity(OPERATOR))
        endpoint = Endpoint(self.description.url, OPERATOR, operator.nkey_seed)
        try:
            async with asyncio.timeout(_READY_S), JetStreamBroker.connect(endpoint) as broker:
                directory = await learn_principals(broker, Principal.of(operator))
                async for record in verified(
                    broker, directory, "lease.>", reject=ignore, stream=StreamName.LEASES, follow=True
                ):
                    if isinstance(record.body, LeaseRenewed):
                        missing.discard(record.body.holder)
                    if not missing:
                        return
        except TimeoutError:
            logs = ", ".join(str(self.layout.log(name)) for name in sorted(missing))
            raise Unavailable(
                f"not ready after {_READY_S:g} s: {', '.join(sorted(missing))}; see {logs}", code="federation.start"
            ) from None

    async def stop(self) -> None:
        """End the services, then the server."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        server = self._children.pop("nats-server", None)
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        if server is not None:
            await server.stop()

    async def trouble(self) -> str | None:
        """What keeps the server from storing messages; ``None`` if nothing does."""
        return await self._watcher.trouble(self.description.url)

    async def _watch(self, server: EmbeddedServer) -> None:
        """Restart a server that has ceased to store messages, once it has room again: it does not recover by itself."""
        told = False
        while True:
            await asyncio.sleep(_LOOK_S)
            if (trouble := await self.trouble()) is None:
                continue
            if server.free_bytes >= LEAST_FREE_BYTES:
                _log.warning("restarting the NATS server, which could not write and does not try again: %s", trouble)
                await server.stop()
                await asyncio.sleep(_AGAIN_S)
                told = False
            elif not told:
                _log.error(
                    "the NATS server cannot write: %s. Free space for %s, where %d bytes are left and %d are needed; "
                    "it is then started again by itself, and until then everybody waits",
                    trouble,
                    server.settings.directory,
                    server.free_bytes,
                    LEAST_FREE_BYTES,
                )
                told = True

    async def _keep(self, name: str, child: Child) -> None:
        await child.start()
        self._children[name] = child
        self._write_processes()
        self._keepers.append(asyncio.create_task(self._restart(name, child), name=f"keep-{name}"))

    async def _restart(self, name: str, child: Child) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            status = await child.wait()
            failures = 0 if loop.time() - began > _STABLE_S else failures + 1
            self._on_restart(name, status)
            while True:
                await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1] if failures else _BACKOFF_S[0])
                try:
                    await child.start()
                except (MusterError, OSError) as error:
                    _log.warning("%s does not start again: %s", name, error)
                    failures += 1
                else:
                    break
            try:
                self._write_processes()
            except OSError as error:
                _log.warning("the list of processes could not be written: %s", error)

    def _server_settings(self) -> ServerSettings:
        users = {}
        for name in self.description.principals:
            identity = Identity.load(self.layout.identity(name))
            users[identity.nkey_public] = permissions(Principal.of(identity))
        return ServerSettings(
            self.layout.nats,
            self.description.port,
            users,
            self.description.disk_bytes,
            watcher=self._watcher.nkey,
        )

    async def _provide(self) -> None:
        """Streams, consumers, and what the operator has to say first; nothing of it twice."""
        operator = Identity.load(self.layout.identity(OPERATOR))
        endpoint = Endpoint(self.description.url, OPERATOR, operator.nkey_seed)
        async with JetStreamBroker.connect(endpoint) as broker:
            await provide_streams(broker.control, disk_bytes=self.description.disk_bytes)
            for consumer in (*topology.WORK, *(topology.commands_of(edge) for edge in self.description.edges)):
                await provide_consumer(broker.control, consumer)
            await introduce(Voice(broker, operator), self.layout, self.description)
        await self._try_store()

    async def _try_store(self) -> None:
        """Find out early what is wrong with the store for large models; one that is away may come back.

        Raises:
            Configuration: There is no such bucket, or no library.
            Denied: The operator's key is not accepted.
        """
        for name, store in stores(self.layout.s3(OPERATOR, self.description)).items():
            try:
                if not await first_write_stays(store):
                    _log.warning("the store %s replaces what is written twice; seals and digests still tell", name)
            except Unavailable as error:
                _log.warning("the store %s cannot be used at present: %s", name, error)

    def _write_processes(self) -> None:
        path = self.layout.processes
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {name: child.pid for name, child in self._children.items()}
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps({"supervisor": os.getpid(), **content}, indent=2) + "\n")
        temporary.replace(path)


async def introduce(voice: Voice, layout: Layout, description: Description) -> None:
    """The operator registers every principal and allows the vendors."""
    for name in description.principals:
        public = Principal.of(Identity.load(layout.identity(name)))
        await voice.say(
            PrincipalRegistered(
                principal=public.principal,
                revision=1,
                role=public.role,
                owner=public.owner,
                signing_key=public.signing_key,
                sealing_key=public.sealing_key,
            )
        )
    for vendor in description.vendors:
        event = VendorAllowed(vendor=OwnerId(vendor), request="setup", reason="named when the federation was set up")
        await voice.say(event, owner=FEDERATION)


@asynccontextmanager
async def running(
    layout: Layout, *, on_restart: Callable[[str, int], None] = lambda _name, _status: None
) -> AsyncIterator[Supervisor]:
    """A running federation, ready for work, for as long as the block runs.

    Args:
        layout: Of a federation that was set up.
        on_restart: Told of every process that died, with its exit status.

    Raises:
        Configuration: It runs already, or cannot be started.
        Unavailable: It does not become ready.
    """
    with _only_one(layout.lock):
        supervisor = Supervisor(layout, on_restart)
        try:
            await supervisor.start()
            await supervisor.ready()
            yield supervisor
        finally:
            await supervisor.stop()
            layout.processes.unlink(missing_ok=True)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel gives up when this process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Configuration(
                f"the federation in {path.parent.parent} runs already: use it, or stop the other 'muster up'",
                code="federation.running",
            ) from None
        yield
