"""A TCP line that can be cut: between one process and the server, without touching either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Forwards connections on ``port`` to the server, unless it is cut.

    Attributes:
        target: Port of the server.
        port: Its own, once it runs.
        whole: Whether bytes get through.
        deaf: Whether what the server says gets lost, while what it is told arrives.
        deaf_from: Makes it deaf as soon as the server is told something with these bytes in it.
    """

    target: int
    port: int = 0
    whole: bool = True
    deaf: bool = False
    deaf_from: bytes | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """Cut, and wait until nothing of it is left."""
        self.cut()
        while self._serving:
            await asyncio.wait(self._serving)
        # Transports that were aborted are closed in the loop's next round.
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            writer.transport.abort()
            return
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, ours}
        await asyncio.gather(self._pump(reader, ours), self._pump(theirs, writer, answers=True))
        self._writers -= {writer, ours}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if answers and self.deaf:
                    continue
                if not answers and self.deaf_from is not None and self.deaf_from in data:
                    self.deaf = True
                sink.write(data)
                await sink.drain()
        sink.transport.abort()

    def cut(self) -> None:
        """Break all connections and take no new ones."""
        self.whole = False
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self.whole, self.deaf, self.deaf_from = True, False, None


@asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    """A line to the server on port ``target``."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
