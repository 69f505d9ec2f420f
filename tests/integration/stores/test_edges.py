"""An edge and the store that it is told to use."""

from __future__ import annotations

from pathlib import Path

from bus.events.cycles import CycleKind, UpdateFailed, UpdateSealed
from bus.events.weights import JETSTREAM, S3, Encoding
from bus.memory import MemoryBroker
from bus.weights import encoded
from support import people
from support.site import Site
from support.weed import Weed


async def test_an_edge_reads_and_writes_both_stores(weed: Weed, tmp_path: Path) -> None:
    bucket = weed.bucket()
    site = await Site.made(tmp_path, s3=weed.settings(bucket, from_bytes=10**9))
    site.broker = with_store(site.broker, weed, bucket)
    async with site.running():
        await site.order(CycleKind.STATISTICS)
        first = await site.answer(1)
        await site.order(CycleKind.INITIALISE, model=await site.model_of((await site.answers(1))[0]), store=S3)
        second = await site.answer(2)
    stores = [answer.weights.store for answer in (first, second) if isinstance(answer, UpdateSealed)]  # type: ignore[union-attr]
    assert stores == [JETSTREAM, S3], "by size, and as told"


async def test_a_store_that_the_edge_does_not_know_is_told_before_any_work(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        await site.order(CycleKind.STATISTICS, store=S3)
        answer = await site.answer()
    assert isinstance(answer, UpdateFailed)
    assert answer.failure.code == "store.unknown"
    assert answer.failure.phase == "fetch"
    assert answer.resources is not None
    assert answer.resources.cpu_s == 0


def with_store(broker: MemoryBroker, weed: Weed, bucket: str) -> MemoryBroker:
    """The same broker with a store beside it."""
    broker._stores = {S3: weed.blobs(bucket)}
    return broker


async def test_an_encoded_update_lies_in_the_store_that_was_asked_for(weed: Weed, tmp_path: Path) -> None:
    bucket = weed.bucket()
    site = await Site.made(tmp_path, s3=weed.settings(bucket, from_bytes=10**9))
    site.broker = with_store(site.broker, weed, bucket)
    encoding = Encoding(values="int8", keep=0.5, error_feedback=True, compression="zstd")
    async with site.running():
        await site.order(CycleKind.STATISTICS)
        await site.order(CycleKind.INITIALISE, model=await site.model_of((await site.answers(1))[0]))
        model = await site.model_of((await site.answers(2))[1])
        await site.order(CycleKind.TRAIN, 1, model=model, store=S3, encoding=encoding)
        answer = await site.answer(3)
        assert isinstance(answer, UpdateSealed)
        body = answer.weights
        assert body is not None
        assert (body.store, body.encoded and body.encoded.encoding) == (S3, encoding)
        assert not {s for s in await site.broker.blobs().subjects(f"{body.address}.>") if ".c." in s}
        path = tmp_path / "decoded"
        await encoded.download_file(site.broker.blobs(), body, people.identity("aggregator"), model, path)
        assert path.stat().st_size == body.size_bytes
