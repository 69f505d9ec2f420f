"""Sealed chunks as messages of a stream, one write-once subject each."""

from __future__ import annotations

import json

from bus.errors import Conflict, NotFound
from bus.jetstream import api
from bus.jetstream.connection import Connection
from bus.jetstream.session import status
from bus.wire.topology import StreamName


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

    async def get(self, subject: str) -> bytes:
        """What was stored under ``subject``, read directly."""
        reply = await self._connection.request(f"$JS.API.DIRECT.GET.{StreamName.WEIGHTS}.{subject}")
        if status(reply) == "404":
            raise NotFound(f"nothing is stored under {subject!r}", code="blob.missing")
        return bytes(reply.data)

    async def delete(self, filter_: str) -> int:
        """Purge everything under ``filter_``."""
        reply = await self._connection.request(
            f"$JS.API.STREAM.PURGE.{StreamName.WEIGHTS}", json.dumps({"filter": filter_}).encode()
        )
        return int(api.answer(reply, f"delete {filter_!r}")["purged"])
