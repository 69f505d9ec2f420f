"""What the NATS server needs for a byte, with a client of plain sockets that leaves out all that a client can.

Protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol; batched direct gets: ADR-31 of NATS.
"""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from benchmarks.town import meter
from bus.jetstream.server import EmbeddedServer, ServerSettings, free_port
from bus.weights.sealing import CHUNK_BYTES

_STREAM: Final = "LIMIT"
_WINDOW: Final = 16
_BATCH: Final = 64
"""Chunks for one request: the server cuts a client off that has more than 64 MiB waiting for it."""
_BUFFER: Final = 4 * 1024 * 1024
_INBOX: Final = b"_INBOX.limit"
_ACK: Final = re.compile(rb"MSG _INBOX\.limit \d+ \d+\r\n[^\r]*\r\n")
_END: Final = b"NATS/1.0 204"


@dataclass(frozen=True)
class Speed:
    """What one way of a byte costs.

    Attributes:
        cpu_s: CPU seconds per byte, of client and server.
        wall_s: Seconds per byte.
    """

    cpu_s: float
    wall_s: float


class Wire:
    """A connection that publishes and reads raw chunks.

    Args:
        port: Of the server.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(60)
        self._rest = b""
        self._until(b"\r\n")
        self._socket.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
        self._socket.sendall(b"SUB %s 1\r\n" % _INBOX)

    def __enter__(self) -> Self:
        """Nothing more to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._socket.close()

    def make_stream(self) -> None:
        """A stream on disk, as WEIGHTS is."""
        config = {"name": _STREAM, "subjects": ["limit.>"], "storage": "file", "allow_direct": True}
        content = json.dumps(config).encode()
        self._publish(b"$JS.API.STREAM.CREATE.%s" % _STREAM.encode(), content)
        self._until(b"}\r\n")

    def write(self, chunk: bytes, count: int) -> None:
        """Publish ``count`` chunks, with a window of them not yet acknowledged."""
        acked = 0
        for number in range(count):
            self._publish(b"limit.%d" % number, chunk)
            while number + 1 - acked >= _WINDOW:
                acked += self._acks()
        while acked < count:
            acked += self._acks()

    def read(self, count: int) -> int:
        """Have the server send chunks, many for one request; how many bytes came."""
        return sum(self._batch(first, min(_BATCH, count + 1 - first)) for first in range(1, count + 1, _BATCH))

    def _batch(self, first: int, count: int) -> int:
        request = json.dumps({"seq": first, "batch": count, "max_bytes": count * 2 * CHUNK_BYTES}).encode()
        self._publish(b"$JS.API.DIRECT.GET.%s" % _STREAM.encode(), request)
        buffer, total, tail = bytearray(_BUFFER), 0, b""
        view = memoryview(buffer)
        while True:
            size = self._socket.recv_into(buffer)
            if not size:
                raise ConnectionError(f"the server closed the connection: {tail!r}")
            total += size
            tail = (tail + bytes(view[max(0, size - 256) : size]))[-512:]
            if _END in tail:
                return total

    def _publish(self, subject: bytes, content: bytes) -> None:
        head = b"PUB %s %s %d\r\n" % (subject, _INBOX, len(content))
        parts = [memoryview(head), memoryview(content), memoryview(b"\r\n")]
        while parts:
            sent = self._socket.sendmsg(parts)
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if parts and sent:
                parts[0] = parts[0][sent:]

    def _acks(self) -> int:
        """Wait for acknowledgements; how many came."""
        self._receive()
        found = list(_ACK.finditer(self._rest))
        if found:
            self._rest = self._rest[found[-1].end() :]
        return len(found)

    def _until(self, end: bytes) -> None:
        while end not in self._rest:
            self._receive()
        self._rest = b""

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data or data.startswith(b"-ERR"):
            raise ConnectionError(f"the server closed the connection: {self._rest[-200:] + data!r}")
        self._rest += data


async def measured(total_bytes: int) -> tuple[Speed, Speed]:
    """Cost of a byte into a stream on disk, synced as in production, and out of it again.

    Args:
        total_bytes: How much to move, each way.
    """
    count = max(1, total_bytes // CHUNK_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(ServerSettings(Path(folder), free_port(), {}))
        await server.start()
        try:
            with Wire(server.settings.port) as wire:
                wire.make_stream()
                chunk = os.urandom(CHUNK_BYTES)
                up = _timed(lambda: wire.write(chunk, count), server.pid, count)
                down = _timed(lambda: wire.read(count), server.pid, count)
        finally:
            await server.stop()
    return up, down


def _timed(work: Callable[[], object], pid: int, count: int) -> Speed:
    wall, own, theirs = time.perf_counter(), time.process_time(), meter.usage(pid).cpu_s
    work()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    size = count * CHUNK_BYTES
    return Speed((own + meter.usage(pid).cpu_s - theirs) / size, wall / size)
