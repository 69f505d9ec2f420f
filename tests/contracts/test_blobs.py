"""What ``bus.ports.BlobStore`` promises."""

from __future__ import annotations

import asyncio

import pytest

from bus.errors import NotFound
from support.rig import Rig

CHUNK = 512 * 1024 + 16


async def test_round_trip_of_full_chunks(rig: Rig) -> None:
    blobs = rig.broker.blobs()
    chunks = {f"w.a.e1.exp.update.c.{k}": bytes([k]) * CHUNK for k in range(8)}
    await asyncio.gather(*(blobs.put(subject, memoryview(data)) for subject, data in chunks.items()))
    for subject, data in chunks.items():
        assert await blobs.get(subject) == data


async def test_the_first_write_stays(rig: Rig) -> None:
    blobs = rig.broker.blobs()
    await blobs.put("w.a.e1.exp.update.c.0", b"first")
    await blobs.put("w.a.e1.exp.update.c.0", b"second")
    assert await blobs.get("w.a.e1.exp.update.c.0") == b"first"


async def test_empty_blob(rig: Rig) -> None:
    blobs = rig.broker.blobs()
    await blobs.put("w.a.e1.exp.update.c.0", b"")
    assert await blobs.get("w.a.e1.exp.update.c.0") == b""


async def test_missing_is_not_found(rig: Rig) -> None:
    with pytest.raises(NotFound):
        await rig.broker.blobs().get("w.a.e1.exp.update.c.0")


async def test_delete_by_filter(rig: Rig) -> None:
    blobs = rig.broker.blobs()
    for subject in ("w.a.e1.exp.update.c.0", "w.a.e1.exp.update.c.1", "w.a.e2.exp.update.c.0"):
        await blobs.put(subject, b"x")
    assert await blobs.delete("w.a.e1.exp.>") == 2
    assert await blobs.get("w.a.e2.exp.update.c.0") == b"x"
    with pytest.raises(NotFound):
        await blobs.get("w.a.e1.exp.update.c.1")


async def test_what_is_stored_can_be_listed(rig: Rig) -> None:
    blobs = rig.broker.blobs()
    wanted = {f"w.a.e1.exp.update.c.{k}" for k in range(3)}
    for subject in (*wanted, "w.a.e2.exp.update.c.0"):
        await blobs.put(subject, b"x")
    assert await blobs.subjects("w.a.e1.exp.>") == wanted
    assert await blobs.subjects("w.a.e3.>") == frozenset()
