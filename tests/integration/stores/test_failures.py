"""What an S3-compatible store answers when it will not or cannot, in the words of our errors."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.errors import Configuration, Denied, NotFound, Timeout, Unavailable
from bus.identity.directory import Principal
from bus.jetstream.server import free_port
from bus.s3.blobs import S3Blobs
from bus.s3.settings import Credential
from muster.federation.store import first_write_stays
from support.people import ROLES, identity
from support.proxy import Proxy, proxied
from support.weed import Weed, actions, running_weed

CHUNK = "w.acme.hospital-a.X.update-1.c.0"
BUCKET = "muster-town"


async def test_a_key_that_is_not_known(weed: Weed) -> None:
    with pytest.raises(Denied, match="InvalidAccessKeyId") as caught:
        await weed.blobs(weed.bucket(), "stranger").put(CHUNK, b"x")
    told = "".join(traceback.format_exception(caught.value))
    assert caught.value.code == "s3.denied"
    assert "secret-of" not in told
    assert "Signature" not in told


async def test_a_secret_that_is_wrong(weed: Weed) -> None:
    settings = weed.settings(weed.bucket())
    settings.credentials.write_text(json.dumps({"access_key_id": "key-operator", "secret_access_key": "wrong-secret"}))
    blobs = S3Blobs(settings, Credential.load(settings.credentials))
    for act in (blobs.put(CHUNK, b"x"), blobs.get(CHUNK), blobs.subjects("w.>"), blobs.delete("w.>")):
        with pytest.raises(Denied) as caught:
            await act
        assert "wrong-secret" not in "".join(traceback.format_exception(caught.value))


async def test_a_bucket_that_is_not_there(weed: Weed) -> None:
    with pytest.raises(Configuration, match="create it") as caught:
        await weed.blobs("nobody-made-it").get(CHUNK)
    assert caught.value.code == "s3.bucket"


async def test_nobody_there(weed: Weed) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    blobs = weed.blobs(weed.bucket(), retry_s=0.5, endpoint=address)
    for act in (blobs.put(CHUNK, b"x"), blobs.get(CHUNK), blobs.subjects("w.>")):
        with pytest.raises(Unavailable, match=address) as caught:
            await act
        assert caught.value.retryable
        assert caught.value.code == "s3.away"


@pytest.fixture
async def line(weed: Weed) -> AsyncIterator[Proxy]:
    async with proxied(weed.ports["s3.port"]) as line:
        yield line


async def test_no_answer_in_time(weed: Weed, line: Proxy) -> None:
    bucket = weed.bucket()
    line.deaf = True
    blobs = weed.blobs(bucket, retry_s=0.5, request_s=0.5, endpoint=f"http://127.0.0.1:{line.port}")
    with pytest.raises(Timeout) as caught:
        await blobs.put(CHUNK, b"x")
    assert caught.value.code == "s3.timeout"
    assert await weed.blobs(bucket).get(CHUNK) == b"x", "it had happened"
    line.mend()
    await blobs.put(CHUNK, b"x")


async def test_a_full_store_is_waited_for(tmp_path: Path) -> None:
    with running_weed(tmp_path, options=("-volume.max=1",)) as weed:
        # One volume is all that there is, and another bucket has it.
        blobs = weed.blobs("muster-full", retry_s=0.5)
        with pytest.raises(Unavailable) as caught:
            await blobs.put(CHUNK, b"x")
        assert caught.value.retryable
        weed.kill()
        weed.options = ("-volume.max=100",)
        weed.start()
        await blobs.put(CHUNK, b"x")
        assert await blobs.get(CHUNK) == b"x"


async def test_the_probe_leaves_nothing(weed: Weed) -> None:
    blobs = weed.blobs(weed.bucket())
    assert await first_write_stays(blobs)
    assert await blobs.subjects("w.>") == frozenset()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A store that gives each principal what ``bus.s3.access`` lists."""
    keys = actions([Principal.of(identity(name)) for name in ROLES], BUCKET)
    with running_weed(tmp_path_factory.mktemp("town"), keys=keys) as weed:
        yield weed


async def test_each_writes_below_its_own_prefix_alone(town: Weed) -> None:
    everything = town.blobs(BUCKET)
    await everything.put("w.acme.aggregator.X.model-1.c.0", b"model")
    await everything.put("w.globex.aggregator.Y.model-1.c.0", b"model")
    for name in ("hospital-a", "hospital-b", "acme", "aggregator"):
        own = f"w.acme.{name}.X.own.c.0"
        await town.blobs(BUCKET, name).put(own, b"own")
        assert await everything.get(own) == b"own"
    for name, other in (
        ("hospital-a", "w.acme.hospital-b.X.update-1.c.0"),
        ("hospital-a", "w.acme.aggregator.X.model-9.c.0"),
        ("hospital-a", "w.hospital-a.hospital-b.hospital-a.update-1.c.0"),
        ("acme", "w.acme.hospital-a.X.update-1.c.0"),
        ("aggregator", "w.acme.hospital-a.X.update-1.c.0"),
        ("coordinator", "w.acme.coordinator.X.update-1.c.0"),
    ):
        with pytest.raises(Denied):
            await town.blobs(BUCKET, name).put(other, b"x")


async def test_each_reads_what_it_needs(town: Weed) -> None:
    everything = town.blobs(BUCKET)
    model, update = "w.acme.aggregator.R.model-1.c.0", "w.acme.hospital-a.R.update-1.c.0"
    await everything.put(model, b"model")
    await everything.put(update, b"update")
    for name in ("hospital-b", "acme", "aggregator"):
        assert await town.blobs(BUCKET, name).get(model) == b"model"
    assert await town.blobs(BUCKET, "aggregator").get(update) == b"update"
    for name, subject in (
        ("hospital-b", update),
        ("acme", update),
        ("globex", model),
        ("policy_engine", model),
        ("coordinator", update),
    ):
        with pytest.raises(Denied):
            await town.blobs(BUCKET, name).get(subject)
    for name in ("hospital-a", "acme", "aggregator", "coordinator"):
        with pytest.raises(Denied):
            await town.blobs(BUCKET, name).subjects("w.>")


async def test_what_the_store_does_not_enforce(town: Weed) -> None:
    """Who may write below a prefix may remove below it too; that is noticed, not prevented."""
    own = "w.acme.hospital-a.D.update-1.c.0"
    await town.blobs(BUCKET, "hospital-a").put(own, b"own")
    with pytest.raises(Denied):
        await town.blobs(BUCKET, "hospital-b").delete(own)
    import obstore

    await obstore.delete_async(town.blobs(BUCKET, "hospital-a")._store, "w/hospital-a/acme/D/update-1/c/0")
    with pytest.raises(NotFound):
        await town.blobs(BUCKET).get(own)
