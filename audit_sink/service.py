"""The audit sink as a process: every message on the log becomes a leaf, and the tree is signed for when it rests.

A message that proves nothing is a leaf like any other, and goes to the dead letters too. Killed at any point, the sink
goes on from what is stored: what it says again, it says in the same words, which changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Final

from audit_sink.domain.checkpoint import Checkpoint, sign
from audit_sink.store import EventStore, leaf_of
from bus.errors import Integrity, MusterError
from bus.events import Body
from bus.events.base import FEDERATION
from bus.events.governance import Checkpointed
from bus.identity.directory import Directory
from bus.runtime.aio import until
from bus.runtime.listening import PRINCIPALS, ignore, learn_principals, verified
from bus.runtime.service import Context, Task
from bus.runtime.settings import ServiceSettings
from bus.wire.message import Stored
from bus.wire.topology import StreamName

_log = logging.getLogger(__name__)

_EVERYTHING: Final = "ev.>"
_BATCH: Final = 256
_REST_S: Final = 0.5
"""So long must nothing have come before a checkpoint is signed, unless a whole batch waits for one."""


class AuditSinkSettings(ServiceSettings):
    """Settings of the audit sink."""

    store_url: str | None = None
    """SQLAlchemy URL of its database, with an asynchronous driver; ``None`` for SQLite in its data directory."""


async def build(context: Context[AuditSinkSettings]) -> Mapping[str, Task]:
    """Returns the root tasks."""
    url = context.settings.store_url or f"sqlite+aiosqlite:///{context.settings.data / 'events.sqlite'}"

    async def serve() -> None:
        async with EventStore.opened(url) as store:
            await AuditSink(context, store).run()

    return {"events": serve}


class AuditSink:
    """Remembers and signs.

    Args:
        context: Of the service.
        store: Where messages are kept.
    """

    def __init__(self, context: Context[AuditSinkSettings], store: EventStore) -> None:
        self._context = context
        self._store = store
        self._log = context.broker.log(StreamName.EVENTS)
        self._directory = Directory(context.anchor)
        """Grows message by message, so that each is judged as every other reader of the log judges it."""
        self._arrived: asyncio.Queue[Stored] = asyncio.Queue(maxsize=2 * _BATCH)
        me = context.voice.identity.principal
        self._own = f"ev.{FEDERATION}.audit.{me}.{me}."
        self._signed = 0
        """Most messages that a checkpoint covers."""
        self._due = 0
        """Sequence of the last message that calls for a checkpoint: of any but a checkpoint."""

    async def run(self) -> None:
        """Go on from what is stored until the service stops.

        Raises:
            Integrity: The log is not the one that was stored before.
        """
        await self._compare()
        await self._recall()
        reading = asyncio.create_task(self._read())
        try:
            while (batch := await self._next(reading)) or not reading.done():
                await self._take(batch)
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _compare(self) -> None:
        """See that the log still holds the last stored message where it was."""
        last = await self._store.last()
        if last is None:
            return
        advice = "restore the server's store from a replica or a backup, and keep the audit store as evidence"
        async for stored in self._log.read(_EVERYTHING, after=last.sequence - 1):
            if leaf_of(stored) == leaf_of(last):
                return
            raise Integrity(
                f"message {last.sequence} of the log is not the one that was stored: {advice}", code="log.changed"
            )
        raise Integrity(f"the log ends before message {last.sequence}, which was stored: {advice}", code="log.shorter")

    async def _recall(self) -> None:
        """Know again who is who up to here, what is signed for and what is not.

        Checkpoints count that are on the log but not stored yet: this process may have ended before it read them, or
        its store may be new. Signing for a beginning again would prove nothing new.
        """
        async for stored in self._log.read(PRINCIPALS):
            if stored.sequence <= self._store.size:
                with contextlib.suppress(MusterError):
                    self._directory.verify(stored.message)
        known = await learn_principals(self._context.broker, self._context.anchor)
        self._due = await self._store.last_beside(self._own)
        after = max(0, await self._store.last_under(self._own) - 1)
        async for record in verified(self._context.broker, known, f"{self._own}>", reject=ignore, after=after):
            self._note(record.body)

    async def _read(self) -> None:
        everything = self._log.read(_EVERYTHING, after=self._store.size, follow=True)
        async for stored in until(self._context.stop, everything):
            await self._arrived.put(stored)

    async def _next(self, reading: asyncio.Task[None]) -> list[Stored]:
        """What has arrived; nothing when it is time to sign, or when no more will come."""
        first = asyncio.ensure_future(self._arrived.get())
        try:
            rest_s = _REST_S if self._due > self._signed else None
            await asyncio.wait({first, reading}, timeout=rest_s, return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                return []
        finally:
            first.cancel()
        batch = [first.result()]
        while len(batch) < _BATCH and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        return batch

    async def _take(self, batch: list[Stored]) -> None:
        # Buried before it is stored: what is stored is not looked at again, and a dead letter can be said twice.
        for stored in batch:
            await self._judge(stored)
        if batch:
            await self._store.append(batch)
        if self._due > self._signed and (not batch or self._store.size - self._signed >= _BATCH):
            await self._sign()

    async def _judge(self, stored: Stored) -> None:
        """A message that proves nothing goes to the dead letters; every one but a checkpoint calls for one."""
        try:
            body = self._directory.verify(stored.message).body
        except MusterError as error:
            await self._context.voice.bury(stored, error)
        else:
            if isinstance(body, Checkpointed):
                self._note(body)
                return
        self._due = stored.sequence

    def _note(self, body: Body) -> None:
        if isinstance(body, Checkpointed) and body.log == self._context.voice.identity.principal:
            self._signed = max(self._signed, body.size)

    async def _sign(self) -> None:
        identity, frontier = self._context.voice.identity, self._store.frontier
        head = Checkpoint(identity.principal, frontier.size, frontier.root())
        note = sign(head, identity.signing, identity.principal)
        body = Checkpointed(log=identity.principal, size=head.size, root=head.root, note=note)
        await self._context.voice.say(body)
        self._note(body)
        _log.info("checkpoint signed", extra={"size": head.size})
