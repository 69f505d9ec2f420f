"""An edge daemon with real workers that is told to send less."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bus.events.base import MessageId
from bus.events.cycles import CycleKind, UpdateFailed, UpdateSealed
from bus.events.weights import Encoding, SealedObject
from bus.runtime.listening import ignore, verified
from bus.weights import encoded
from bus.weights.sealing import TAG_BYTES
from support import people
from support.site import EDGE, Site

ROUGH = Encoding(values="int8", keep=0.5, error_feedback=True, compression="zstd")


async def begun(site: Site) -> SealedObject:
    """The first global model."""
    await site.order(CycleKind.STATISTICS)
    sums = await site.model_of((await site.answers(1))[0])
    await site.order(CycleKind.INITIALISE, model=sums)
    return await site.model_of((await site.answers(2))[1])


async def trained(
    site: Site, model: SealedObject, number: int, **changes: object
) -> tuple[MessageId, MessageId | None, SealedObject]:
    """The id of the edge's update, the one that it went on from, and its body."""
    there = len([r async for r in verified(site.broker, people.directory(), "ev.acme.update.>", reject=ignore)])
    await site.order(CycleKind.TRAIN, number, model=model, encoding=ROUGH, **changes)
    record = (await site.answers(there + 1))[-1]
    assert isinstance(record.body, UpdateSealed), record.body
    assert record.body.weights is not None
    assert record.body.resources.sent_bytes == record.body.weights.sent_bytes
    return record.id, record.body.follows, record.body.weights


async def test_what_was_left_out_goes_into_the_next_update(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        model = await begun(site)
        first, begun_from, one = await trained(site, model, 1)
        # The first one counted, says the coordinator; and then, that nothing did.
        _, gone_on_from, other = await trained(site, model, 2, follows=first)
        _, alone_from, alone = await trained(site, model, 3)
    assert [begun_from, gone_on_from, alone_from] == [None, first, None]
    blobs = site.broker.blobs()
    for body in (one, other, alone):
        assert body.encoded is not None
        assert body.encoded.encoding == ROUGH
        assert body.encoded.model == model.digest
        sizes = [len(await blobs.get(subject)) for subject in await blobs.subjects(f"{body.address}.c.>")]
        assert sum(sizes) == body.sent_bytes + TAG_BYTES * body.chunks
        path = tmp_path / "decoded"
        await encoded.download_file(blobs, body, people.identity("aggregator"), model, path)
        assert path.stat().st_size == body.size_bytes == model.size_bytes
    assert {s.split(".")[4] for s in await blobs.subjects(f"w.acme.{EDGE}.>")} == {
        *("update-0-statistics-1-1", "update-0-initialise-1-1"),
        *(f"update-{number}-train-1-1" for number in (1, 2, 3)),
    }, "what is left out does not leave"


async def test_an_edge_that_is_stopped_before_it_answers_sends_what_it_had_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        model = await begun(site)
    await site.order(CycleKind.TRAIN, 1, model=model, encoding=ROUGH)
    with monkeypatch.context() as patch:
        called = asyncio.Event()

        async def endless(*_: object, **__: object) -> None:
            called.set()
            await asyncio.Event().wait()

        patch.setattr("edge_daemon.outbox.encoded.upload", endless)
        async with site.running():
            await called.wait()
    (frames,) = (tmp_path / "edge" / "jobs").glob("*/output/update.frames")
    content = list(encoded.read_frames(frames))
    async with site.running():
        answer = await site.answer(3)
    assert isinstance(answer, UpdateSealed)
    assert answer.weights is not None
    assert answer.weights.sent_bytes == sum(map(len, content))
    (residual,) = (tmp_path / "edge" / "kept").glob("*/*/residual")
    assert residual.stat().st_mode & 0o077 == 0 or residual.parent.stat().st_mode & 0o077 == 0


async def test_an_encoding_of_another_release_is_told_before_any_work(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        await site.order(CycleKind.STATISTICS, encoding=Encoding(values="int4"))
        answer = await site.answer()
    assert isinstance(answer, UpdateFailed)
    assert (answer.failure.code, answer.failure.phase) == ("encoding.unknown", "fetch")
    assert answer.resources is not None
    assert answer.resources.cpu_s == 0
