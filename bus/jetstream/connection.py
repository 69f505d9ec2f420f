"""A connection that is always being restored: sessions one after the other, with any server that answers.

A watchdog asks the server for a sign of life, since a client whose read loop has died still calls itself
connected. Whoever was waiting when a session ended gets ``Unavailable`` and decides again; nothing is resent
behind its back.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from bus.errors import Configuration, Denied, Unavailable
from bus.jetstream.clock import ServerClock
from bus.jetstream.inflow import Msg
from bus.jetstream.session import Session

_log = logging.getLogger(__name__)

_HANDSHAKE_S: Final = 5.0
_WATCHDOG_S: Final = 10.0
_RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
REQUEST_S: Final = 5.0
"""How long a request waits for its reply before it counts as lost."""
_DEAF_S: Final = 8.0
"""How long a server of several may leave all requests unanswered before another one is tried: one that is cut off
from the others still takes connections. Doubled each time that this does not help."""
_DEAF_MOST_S: Final = 300.0
_SCHEMES: Final = ("nats", "tls")


@dataclass(frozen=True)
class Endpoint:
    """Where the servers are and who connects.

    Attributes:
        url: ``nats://host:port`` or ``tls://host:port``; several for a cluster, separated by commas.
        principal: Name of the credential; also names the connection at the server.
        nkey_seed: The credential; ``None`` for a server without authorisation (tests).

    Raises:
        Configuration: ``url`` is not that.
    """

    url: str
    principal: str
    nkey_seed: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for server in self.servers:
            _check_address(server)

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses, one by one."""
        return tuple(address.strip() for address in self.url.split(","))

    @property
    def inbox(self) -> str:
        """Subject prefix for replies to this principal."""
        return f"_INBOX_{self.principal}"


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        good = parts.scheme in _SCHEMES and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise Configuration(
            f"{address!r} is not the address of a server: expected nats://host:port or tls://host:port, several "
            "separated by commas; correct server_url in the settings",
            code="broker.address",
        )


class Connection:
    """Sessions to one endpoint; use through ``connected``."""

    def __init__(self, endpoint: Endpoint, purpose: str) -> None:
        self.endpoint = endpoint
        self.clock = ServerClock()
        self._purpose = purpose
        self._session: Session | None = None
        self._changed = asyncio.Condition()
        self._servers = deque(endpoint.servers)
        # Clients that know the same servers shall not all choose the same one.
        self._servers.rotate(secrets.randbelow(len(self._servers)))
        self._deaf_since: float | None = None
        self._deaf_s = _DEAF_S

    async def session(self, timeout_s: float = REQUEST_S) -> Session:
        """The current session, waiting for one if there is none.

        Raises:
            Unavailable: There is none within ``timeout_s``.
        """
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._session is not None)
        except TimeoutError:
            raise Unavailable(
                f"no connection to the server at {self.endpoint.url}: {self._is_it_running}", code="broker.away"
            ) from None
        assert self._session is not None
        return self._session

    async def request(
        self,
        subject: str,
        data: bytes | memoryview = b"",
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_S,
    ) -> Msg:
        """One request in the current session; see ``Session.request``."""
        session = await self.session(timeout_s)
        try:
            reply = await session.request(subject, data, headers=headers, timeout_s=timeout_s)
        except Unavailable:
            if len(self._servers) > 1 and self._deaf():
                _log.warning("this server leaves requests unanswered, trying another one", extra=self._facts)
                await session.close()
            raise
        self._deaf_since, self._deaf_s = None, _DEAF_S
        return reply

    def _deaf(self) -> bool:
        """Whether the present server has left requests unanswered for too long; begins to count anew if so."""
        now = asyncio.get_running_loop().time()
        if self._deaf_since is None:
            self._deaf_since = now
        if now - self._deaf_since < self._deaf_s:
            return False
        self._deaf_since, self._deaf_s = None, min(2 * self._deaf_s, _DEAF_MOST_S)
        return True

    async def open(self, timeout_s: float = _HANDSHAKE_S) -> None:
        """Make a new session with the first server that answers; each is tried once.

        Raises:
            Unavailable: No server.
            Denied: The credential is not accepted.
        """
        failures: list[Unavailable | Denied] = []
        for _ in range(len(self._servers)):
            try:
                return await self._open(self._servers[0], timeout_s)
            except (Unavailable, Denied) as error:
                failures.append(error)
                self._servers.rotate(-1)
        if len(failures) > 1 and all(isinstance(failure, Unavailable) for failure in failures):
            raise Unavailable(
                f"no server answers at {self.endpoint.url}: {self._is_it_running}", code="broker.away"
            ) from failures[-1]
        raise next((failure for failure in failures if isinstance(failure, Denied)), failures[0])

    async def _open(self, server: str, timeout_s: float) -> None:
        session = await Session.open(
            server,
            name=f"{self.endpoint.principal}/{self._purpose}",
            nkey_seed=self.endpoint.nkey_seed,
            # Two processes of one principal must not read each other's replies.
            inbox=f"{self.endpoint.inbox}.{secrets.token_hex(8)}",
            timeout_s=timeout_s,
        )
        async with self._changed:
            self._session = session
            self._changed.notify_all()

    async def supervise(self) -> None:
        """Replace each session that ends; runs until cancelled."""
        while True:
            session = await self.session()
            await self._until_over(session)
            self._session = None
            _log.warning("connection lost", extra=self._facts)
            self._servers.rotate(-1)
            await session.close()
            await self._reopen()
            _log.info("connection restored", extra=self._facts)

    async def _until_over(self, session: Session) -> None:
        while not session.over.is_set():
            try:
                async with asyncio.timeout(_WATCHDOG_S):
                    await session.over.wait()
            except TimeoutError:
                alive = await session.alive(_HANDSHAKE_S)
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # Python 3.11's wait_for, with which the library waits, can swallow a cancellation: it comes once.
                    raise asyncio.CancelledError from None
                if not alive:
                    return

    async def _reopen(self) -> None:
        delays = iter(_RETRY_S)
        while True:
            try:
                return await self.open()
            except (Unavailable, Denied) as error:
                # A server that starts up may refuse credentials that it has not read yet: keep trying.
                _log.debug("still no connection: %s", error)
                await asyncio.sleep(next(delays, _RETRY_S[-1]))

    async def close(self) -> None:
        """End the current session."""
        if self._session is not None:
            await self._session.close()

    @property
    def _facts(self) -> dict[str, str]:
        return {"server": self._servers[0], "purpose": self._purpose}

    @property
    def _is_it_running(self) -> str:
        return "is it running?" if len(self._servers) == 1 else "is one of them running?"


@asynccontextmanager
async def connected(endpoint: Endpoint, purpose: str, *, patient: bool) -> AsyncIterator[Connection]:
    """A connection that restores itself until the block ends.

    Args:
        endpoint: Where and who.
        purpose: Names the connection at the server: ``control`` or ``bulk``.
        patient: Wait for a server that is not there yet, as a service does; a command line gives up at once.

    Raises:
        Unavailable: No server (unless ``patient``).
        Denied: The credential is not accepted (unless ``patient``).
    """
    connection = Connection(endpoint, purpose)
    if patient:
        await connection._reopen()  # noqa: SLF001 - same module
    else:
        await connection.open()
    supervisor = asyncio.create_task(connection.supervise(), name=f"supervise-{purpose}")
    try:
        yield connection
    finally:
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        await connection.close()
