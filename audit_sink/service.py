"""The audit sink as a process: every message on the log becomes a leaf, and the tree is signed for when it rests.

A message that proves nothing is a leaf like any other, and goes to the dead letters too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from audit_sink.domain.checkpoint import Checkpoint, sign
from audit_sink.store import EventStore, leaf_of
from bus.errors import Integrity, MusterError
from bus.events.governance import Checkpointed
from bus.identity.directory import Directory
from bus.runtime.aio import until
from bus.runtime.listening import learn_principals
from bus.runtime.service import Context, Task
from bus.runtime.settings import ServiceSettings
from bus.wire import subjects
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
    """Get to know the principals; returns the root tasks."""
    directory = await learn_principals(context.broker, context.anchor)
    url = context.settings.store_url or f"sqlite+aiosqlite:///{context.settings.data / 'events.sqlite'}"

    async def serve() -> None:
        async with EventStore.opened(url) as store:
            await AuditSink(context, store, directory).run()

    return {"events": serve}


class AuditSink:
    """Remembers and signs.

    Args:
        context: Of the service.
        store: Where messages are kept.
        directory: Whom to believe.
    """

    def __init__(self, context: Context[AuditSinkSettings], store: EventStore, directory: Directory) -> None:
        self._context = context
        self._store = store
        self._directory = directory
        self._arrived: asyncio.Queue[Stored | None] = asyncio.Queue(maxsize=2 * _BATCH)
        self._waiting = 0
        self._own = f"ev.federation.audit.{context.voice.identity.principal}.{context.voice.identity.principal}."

    async def run(self) -> None:
        """Go on from what is stored until the service stops.

        Raises:
            Integrity: The log is not the one that was stored before.
        """
        await self._continue()
        reading = asyncio.create_task(self._read())
        try:
            while (batch := await self._next()) is not None:
                await self._take(batch)
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _continue(self) -> None:
        """See that the log still begins with what is stored, and whether a checkpoint is due."""
        last = await self._store.last()
        if last is None:
            return
        log = self._context.broker.log(StreamName.EVENTS)
        async for stored in log.read(_EVERYTHING, after=last.sequence - 1):
            if leaf_of(stored) == leaf_of(last):
                break
            raise Integrity(f"message {last.sequence} of the log is not the one that was stored", code="log.changed")
        else:
            raise Integrity(f"the log ends before message {last.sequence}, which was stored", code="log.shorter")
        signed = await self._store.last_under(self._own)
        covered = 0
        if signed is not None and isinstance(body := self._directory.verify(signed.message).body, Checkpointed):
            covered = body.size
        self._waiting = int(await self._store.after(covered, unlike=self._own))

    async def _read(self) -> None:
        log = self._context.broker.log(StreamName.EVENTS)
        async for stored in until(self._context.stop, log.read(_EVERYTHING, after=self._store.size, follow=True)):
            await self._arrived.put(stored)
        await self._arrived.put(None)

    async def _next(self) -> list[Stored] | None:
        """What has arrived; nothing when it is time to sign; ``None`` at the end."""
        try:
            async with asyncio.timeout(_REST_S if self._waiting else None):
                first = await self._arrived.get()
        except TimeoutError:
            return []
        batch = [first]
        while len(batch) < _BATCH and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        messages = [stored for stored in batch if stored is not None]
        if len(messages) < len(batch):
            await self._take(messages)
            return None
        return messages

    async def _take(self, batch: list[Stored]) -> None:
        if batch:
            await self._store.append(batch)
            for stored in batch:
                await self._judge(stored)
        if self._waiting >= _BATCH or (self._waiting and not batch):
            await self._sign()

    async def _judge(self, stored: Stored) -> None:
        """A message that proves nothing goes to the dead letters; every one but a checkpoint calls for one."""
        try:
            envelope = self._directory.verify(stored.message)
        except MusterError as error:
            await self._context.voice.bury(stored, error)
        else:
            if isinstance(envelope.body, Checkpointed):
                return
        self._waiting += 1

    async def _sign(self) -> None:
        identity, frontier = self._context.voice.identity, self._store.frontier
        head = Checkpoint(identity.principal, frontier.size, frontier.root())
        note = sign(head, identity.signing, identity.principal)
        body = Checkpointed(log=identity.principal, size=head.size, root=head.root, note=note)
        assert subjects.of(body, owner="federation", actor=identity.principal).startswith(self._own)
        await self._context.voice.say(body)
        self._waiting = 0
        _log.info("checkpoint signed", extra={"size": head.size})
