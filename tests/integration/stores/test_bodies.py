"""Bodies in an S3-compatible store: the same seals, digests and ways to go on as at the broker."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from bus.errors import Configuration, MusterError, Unavailable
from bus.events.weights import JETSTREAM, S3, SealedObject
from bus.memory import MemoryBroker
from bus.ports import BlobStore
from bus.weights import incoming, outgoing
from bus.weights.sealing import CHUNK_BYTES
from bus.wire import subjects
from support.people import directory, identity
from support.proxy import proxied
from support.weed import Weed, running_weed

ADDRESS = "w.acme.hospital-a.X.update-1"
SIZE = 20_000_000


@dataclass
class Counted:
    """A store that tells how many chunks have passed."""

    inner: BlobStore
    wanted: int
    passed: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def _count(self) -> None:
        self.passed += 1
        if self.passed == self.wanted:
            self.reached.set()

    async def put(self, subject: str, data: bytes | memoryview) -> None:
        await self.inner.put(subject, data)
        self._count()

    async def get(self, subject: str) -> bytes:
        data = await self.inner.get(subject)
        self._count()
        return data

    async def subjects(self, filter_: str) -> frozenset[str]:
        return await self.inner.subjects(filter_)

    async def delete(self, filter_: str) -> int:
        return await self.inner.delete(filter_)


def recipients(*names: str) -> dict:
    return {name: directory()[name].sealing for name in names}  # type: ignore[index]


async def upload(broker: MemoryBroker, path: Path, store: str = S3) -> SealedObject:
    return await outgoing.upload_file(
        broker.blobs(), path, ADDRESS, identity("hospital-a"), recipients("aggregator"), store=lambda _: store
    )


async def download(broker: MemoryBroker, sealed: SealedObject, path: Path) -> None:
    await incoming.download_file(broker.blobs(), sealed, identity("aggregator"), path)


def write_body(folder: Path, size: int = SIZE) -> Path:
    path = folder / "body"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    return path


async def cut_after(task: asyncio.Task, reached: asyncio.Event, cut: Callable[[], None]) -> MusterError:
    """What a transfer fails with when its line is cut in the middle."""
    async with asyncio.timeout(60):
        await reached.wait()
        assert not task.done()
        cut()
        (error,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(error, MusterError)
    return error


async def test_a_transfer_goes_on_after_a_cut_and_a_restart_of_the_server(tmp_path: Path) -> None:
    path = write_body(tmp_path)
    with running_weed(tmp_path / "weed") as weed:
        bucket = weed.bucket()
        async with proxied(weed.ports["s3.port"]) as line:
            far = weed.blobs(bucket, retry_s=1.0, endpoint=f"http://127.0.0.1:{line.port}")
            sending, reading = Counted(far, 8), Counted(far, 8)
            memory = MemoryBroker(stores={S3: sending})

            error = await cut_after(asyncio.create_task(upload(memory, path)), sending.reached, line.cut)
            assert isinstance(error, Unavailable)
            assert f"127.0.0.1:{line.port}" in error.message
            near = weed.blobs(bucket)
            half = await near.subjects(f"{ADDRESS}.>")
            assert 8 <= len(half) < 39
            before = {subject: await near.get(subject) for subject in sorted(half)[:3]}
            assert await memory.blobs().subjects(f"{ADDRESS}.key.*") == frozenset(), "no key before the last chunk"

            weed.kill()
            weed.start()
            line.mend()
            sealed = await upload(memory, path)
            assert {subject: await near.get(subject) for subject in before} == before
            assert len(await near.subjects(f"{ADDRESS}.c.*")) == sealed.chunks == 39
            assert sealed.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

            readers = MemoryBroker(stores={S3: reading})
            for key in await memory.blobs().subjects(f"{ADDRESS}.key.*"):
                await readers.blobs().put(key, await memory.blobs().get(key))
            task = asyncio.create_task(download(readers, sealed, tmp_path / "out"))
            assert isinstance(await cut_after(task, reading.reached, line.cut), Unavailable)
            assert not (tmp_path / "out").exists()
            line.mend()
            await download(readers, sealed, tmp_path / "out")
            assert (tmp_path / "out").read_bytes() == path.read_bytes()


async def test_the_reference_is_the_same_but_for_the_store(weed: Weed, tmp_path: Path) -> None:
    path = write_body(tmp_path, 3 * CHUNK_BYTES + 5)
    far = weed.blobs(weed.bucket())
    broker = MemoryBroker(stores={S3: far})
    there = await upload(broker, path)
    assert there.store == S3
    assert await broker.blobs().subjects(f"{ADDRESS}.>") == {f"{ADDRESS}.key.aggregator"}, "keys stay at the broker"
    here = await upload(broker, path, JETSTREAM)
    assert there == here.model_copy(update={"store": S3})
    for index in range(4):
        subject = subjects.chunk(ADDRESS, index)
        assert await far.get(subject) == await broker.blobs().get(subject), "sealed to the same bytes"


async def test_who_does_not_know_the_store_says_so(weed: Weed, tmp_path: Path) -> None:
    broker = MemoryBroker(stores={S3: weed.blobs(weed.bucket())})
    sealed = await upload(broker, write_body(tmp_path, 10))
    with pytest.raises(Configuration, match="knows only jetstream"):
        await download(MemoryBroker(), sealed, tmp_path / "out")
    with pytest.raises(Configuration, match="'tape'"):
        await download(broker, sealed.model_copy(update={"store": "tape"}), tmp_path / "out")
