"""A connection that is always being restored: sessions one after the other.

A watchdog asks the server for a sign of life, since a client whose read loop has died still calls itself
connected. Whoever was waiting when a session ended gets ``Unavailable`` and decides again; nothing is resent
behind its back.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from nats.aio.msg import Msg

from bus.errors import Denied, Unavailable
from bus.jetstream.session import Session

_log = logging.getLogger(__name__)

_HANDSHAKE_S: Final = 5.0
_WATCHDOG_S: Final = 10.0
_RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
REQUEST_S: Final = 5.0
"""How long a request waits for its reply before it counts as lost."""


@dataclass(frozen=True)
class Endpoint:
    """Where the server is and who connects.

    Attributes:
        url: ``nats://host:port`` or ``tls://host:port``.
        principal: Name of the credential; also names the connection at the server.
        nkey_seed: The credential; ``None`` for a server without authorisation (tests).
    """

    url: str
    principal: str
    nkey_seed: bytes | None = field(default=None, repr=False)

    @property
    def inbox(self) -> str:
        """Subject prefix for replies to this principal."""
        return f"_INBOX_{self.principal}"


class Connection:
    """Sessions to one endpoint; use through ``connected``."""

    def __init__(self, endpoint: Endpoint, purpose: str) -> None:
        self.endpoint = endpoint
        self._purpose = purpose
        self._session: Session | None = None
        self._changed = asyncio.Condition()

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
                f"no connection to the server at {self.endpoint.url}: is it running?", code="broker.away"
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
        return await session.request(subject, data, headers=headers, timeout_s=timeout_s)

    async def open(self, timeout_s: float = _HANDSHAKE_S) -> None:
        """Make a new session.

        Raises:
            Unavailable: No server.
            Denied: The credential is not accepted.
        """
        session = await Session.open(
            self.endpoint.url,
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
            _log.warning("connection lost", extra={"server": self.endpoint.url, "purpose": self._purpose})
            await session.close()
            await self._reopen()
            _log.info("connection restored", extra={"server": self.endpoint.url, "purpose": self._purpose})

    async def _until_over(self, session: Session) -> None:
        while not session.over.is_set():
            try:
                async with asyncio.timeout(_WATCHDOG_S):
                    await session.over.wait()
            except TimeoutError:
                if not await session.alive(_HANDSHAKE_S):
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
