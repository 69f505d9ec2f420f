"""``python -m benchmarks.wire``: CPU per byte of our NATS connection, against nats-py's (``pip install nats-py``).

A process sends chunks to a server that nobody reads from, then receives what another process sends. The figures are
gigabytes per CPU second of the measured process, so that other work on the machine disturbs them little.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from bus.jetstream.server import EmbeddedServer, ServerSettings, free_port
from bus.jetstream.session import Session
from bus.processes import die_with_parent

_GB: Final = 1e9
_SUBJECT: Final = "chunks"


class Ours:
    """Our session."""

    name = "muster"

    async def connect(self, url: str) -> None:
        """Connect."""
        self._session = await Session.open(url, name="bench", nkey_seed=None, inbox="_INBOX_b", timeout_s=10)

    async def send(self, subject: str, data: bytes) -> None:
        """Publish."""
        await self._session.publish(subject, data)

    async def listen(self, heard: Callable[[], None]) -> str:
        """Subscribe; returns the subject."""
        subject, _ = self._session.subscribe(_SUBJECT, lambda _msg: heard())
        await self.flush()
        return subject

    async def flush(self) -> None:
        """Wait for the server."""
        assert await self._session.alive(60)

    async def close(self) -> None:
        """End."""
        await self._session.close()


class NatsPy:
    """The bare client of nats-py."""

    name = "nats-py"

    async def connect(self, url: str) -> None:
        """Connect."""
        self._client: Any = importlib.import_module("nats.aio.client").Client()
        await self._client.connect(url)

    async def send(self, subject: str, data: bytes) -> None:
        """Publish."""
        await self._client.publish(subject, data)

    async def listen(self, heard: Callable[[], None]) -> str:
        """Subscribe; returns the subject."""

        async def one(_msg: object) -> None:
            heard()

        await self._client.subscribe(_SUBJECT, cb=one, pending_msgs_limit=0, pending_bytes_limit=0)
        await self.flush()
        return _SUBJECT

    async def flush(self) -> None:
        """Wait for the server."""
        await self._client.flush(timeout=60)

    async def close(self) -> None:
        """End."""
        await self._client.close()


Client = Ours | NatsPy


async def _rate(size: int, work: Callable[[], Awaitable[None]]) -> float:
    began = time.process_time()
    await work()
    return size / _GB / (time.process_time() - began)


async def _sending(client: Client, chunk: bytes, count: int) -> None:
    for _ in range(count):
        await client.send("nobody", chunk)
    await client.flush()


async def _receiving(client: Client, url: str, chunk_bytes: int, count: int) -> Callable[[], Awaitable[None]]:
    heard, all_heard = 0, asyncio.Event()

    def one() -> None:
        nonlocal heard
        heard += 1
        if heard == count:
            all_heard.set()

    subject = await client.listen(one)

    async def work() -> None:
        arguments = (url, subject, str(chunk_bytes), str(count))
        sender = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.wire", "--send", *arguments, preexec_fn=die_with_parent
        )
        await all_heard.wait()
        await sender.wait()

    return work


async def measure(chunk_bytes: int, count: int, runs: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(ServerSettings(Path(folder), free_port(), {}, disk_bytes=2**30))
        await server.start()
        try:
            print("| client | GB sent per CPU s | GB received per CPU s |\n| :-- | --: | --: |")
            for _ in range(runs):
                for client in _clients():
                    await client.connect(server.settings.url)
                    size, chunk = chunk_bytes * count, os.urandom(chunk_bytes)
                    out = await _rate(size, lambda c=client, d=chunk: _sending(c, d, count))  # type: ignore[misc]
                    back = await _rate(size, await _receiving(client, server.settings.url, chunk_bytes, count))
                    await client.close()
                    print(f"| {client.name} | {out:.1f} | {back:.1f} |", flush=True)
        finally:
            await server.stop()


def _clients() -> list[Client]:
    try:
        importlib.import_module("nats")
    except ImportError:
        print("nats-py is not installed here, so there is nothing to compare with: pip install nats-py\n")
        return [Ours()]
    return [Ours(), NatsPy()]


async def send(url: str, subject: str, chunk_bytes: int, count: int) -> None:
    """The other process."""
    client = Ours()
    await client.connect(url)
    chunk = os.urandom(chunk_bytes)
    for _ in range(count):
        await client.send(subject, chunk)
    await client.flush()
    await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire", description=__doc__)
    parser.add_argument("--kib", type=int, default=512, help="of a chunk")
    parser.add_argument("--chunks", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--send", nargs=4, metavar=("URL", "SUBJECT", "BYTES", "COUNT"), help="be the other process")
    wanted = parser.parse_args()
    if wanted.send:
        asyncio.run(send(wanted.send[0], wanted.send[1], int(wanted.send[2]), int(wanted.send[3])))
    else:
        asyncio.run(measure(wanted.kib * 1024, wanted.chunks, wanted.runs))
