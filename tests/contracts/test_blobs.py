"""What ``bus.ports.BlobStore`` promises."""

from __future__ import annotations

import asyncio

import pytest

from bus.errors import Invalid, NotFound
from bus.ports import BlobStore
from bus.wire.subjects import matches

CHUNK = 512 * 1024 + 16


async def test_round_trip_of_full_chunks(blobs: BlobStore) -> None:
    chunks = {f"w.a.e1.exp.update.c.{k}": bytes([k]) * CHUNK for k in range(8)}
    await asyncio.gather(*(blobs.put(subject, memoryview(data)) for subject, data in chunks.items()))
    for subject, data in chunks.items():
        assert await blobs.get(subject) == data


async def test_the_first_write_stays(blobs: BlobStore) -> None:
    await blobs.put("w.a.e1.exp.update.c.0", b"first")
    await blobs.put("w.a.e1.exp.update.c.0", b"second")
    assert await blobs.get("w.a.e1.exp.update.c.0") == b"first"


async def test_empty_blob(blobs: BlobStore) -> None:
    await blobs.put("w.a.e1.exp.update.c.0", b"")
    assert await blobs.get("w.a.e1.exp.update.c.0") == b""


async def test_missing_is_not_found(blobs: BlobStore) -> None:
    with pytest.raises(NotFound):
        await blobs.get("w.a.e1.exp.update.c.0")


async def test_delete_by_filter(blobs: BlobStore) -> None:
    for subject in ("w.a.e1.exp.update.c.0", "w.a.e1.exp.update.c.1", "w.a.e2.exp.update.c.0"):
        await blobs.put(subject, b"x")
    assert await blobs.delete("w.a.e1.exp.>") == 2
    assert await blobs.get("w.a.e2.exp.update.c.0") == b"x"
    with pytest.raises(NotFound):
        await blobs.get("w.a.e1.exp.update.c.1")


async def test_what_is_stored_can_be_listed(blobs: BlobStore) -> None:
    wanted = {f"w.a.e1.exp.update.c.{k}" for k in range(3)}
    for subject in (*wanted, "w.a.e2.exp.update.c.0"):
        await blobs.put(subject, b"x")
    assert await blobs.subjects("w.a.e1.exp.>") == wanted
    assert await blobs.subjects("w.a.e3.>") == frozenset()


async def test_of_many_who_write_at_once_one_stays(blobs: BlobStore) -> None:
    await asyncio.gather(*(blobs.put("w.a.e1.exp.update.c.0", bytes([k]) * 1000) for k in range(3)))
    found = await blobs.get("w.a.e1.exp.update.c.0")
    assert found in {bytes([k]) * 1000 for k in range(3)}
    await blobs.put("w.a.e1.exp.update.c.0", b"late")
    assert await blobs.get("w.a.e1.exp.update.c.0") == found


async def test_what_is_deleted_can_be_written_again(blobs: BlobStore) -> None:
    await blobs.put("w.a.e1.exp.update.c.0", b"old")
    assert await blobs.delete("w.a.e1.exp.update.c.0") == 1
    await blobs.put("w.a.e1.exp.update.c.0", b"new")
    assert await blobs.get("w.a.e1.exp.update.c.0") == b"new"


@pytest.mark.parametrize("filter_", ["w.>", "w.a.>", "w.*.e1.>", "w.a.*.exp.>", "w.a.e1.exp.update.c.*"])
async def test_filters_select_as_on_the_bus(blobs: BlobStore, filter_: str) -> None:
    stored = {"w.a.e1.exp.update.c.0", "w.a.e2.exp.update.c.0", "w.b.e1.exp.update.c.0", "w.a.e1.exp.update.c.12"}
    for subject in stored:
        await blobs.put(subject, b"x")
    assert await blobs.subjects(filter_) == {subject for subject in stored if matches(filter_, subject)}


async def test_no_chunk_is_larger_than_a_message(blobs: BlobStore) -> None:
    with pytest.raises(Invalid, match="too large"):
        await blobs.put("w.a.e1.exp.update.c.0", bytes(1024 * 1024 + 1))
