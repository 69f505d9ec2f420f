"""Sealed chunks as messages of a stream, one write-once subject each."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from bus.errors import Conflict, NotFound
from bus.jetstream import api
from bus.jetstream.connection import Connection
from bus.jetstream.inflow import Msg
from bus.jetstream.session import status
from bus.ports import Room
from bus.wire.topology import StreamName

_LAG_S: Final = (0.05, 0.1, 0.2, 0.4)
"""When to ask again, in a cluster, for what is not there: a replica that answers may be a moment behind."""


class JetStreamBlobs:
    """See ``bus.ports.BlobStore``. Callers keep several calls in flight: each is one round trip."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, subject: str, data: bytes | memoryview) -> None:
        """Store ``data`` unless the subject is already written."""
        reply = await self._connection.request(subject, data)
        try:
            api.answer(reply, f"store {subject!r}")
        except Conflict as conflict:
            if conflict.code != "append.written":
                raise

    async def get(self, subject: str) -> bytes | bytearray:
        """What was stored under ``subject``, read directly."""
        reply = await self._read(subject)
        for delay in _LAG_S:
            if status(reply) != "404" or not (await self._connection.session()).clustered:
                break
            await asyncio.sleep(delay)
            reply = await self._read(subject)
        if status(reply) == "404":
            raise NotFound(f"nothing is stored under {subject!r}", code="blob.missing")
        return reply.data

    async def _read(self, subject: str) -> Msg:
        return await self._connection.request(f"$JS.API.DIRECT.GET.{StreamName.WEIGHTS}.{subject}")

    async def subjects(self, filter_: str) -> frozenset[str]:
        """What is stored under ``filter_``, asked for page by page."""
        found: set[str] = set()
        while True:
            content = json.dumps({"subjects_filter": filter_, "offset": len(found)}).encode()
            reply = await self._connection.request(f"$JS.API.STREAM.INFO.{StreamName.WEIGHTS}", content)
            info = api.answer(reply, f"list {filter_!r}")
            page = info["state"].get("subjects") or {}
            found.update(page)
            if not page or len(found) >= int(info.get("total", 0)):
                return frozenset(found)

    async def room(self) -> Room | None:
        """How full the stream is."""
        reply = await self._connection.request(f"$JS.API.STREAM.INFO.{StreamName.WEIGHTS}")
        info = api.answer(reply, "ask how full the store is")
        limit = int(info["config"].get("max_bytes") or -1)
        return Room(int(info["state"]["bytes"]), limit) if limit > 0 else None

    async def delete(self, filter_: str) -> int:
        """Purge everything under ``filter_``."""
        reply = await self._connection.request(
            f"$JS.API.STREAM.PURGE.{StreamName.WEIGHTS}", json.dumps({"filter": filter_}).encode()
        )
        return int(api.answer(reply, f"delete {filter_!r}")["purged"])
