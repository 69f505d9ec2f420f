"""Layout, seal and transfer of bodies."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from bus.errors import Integrity, Invalid, NotFound
from bus.events.weights import SealedObject
from bus.memory import MemoryBroker
from bus.weights import incoming, layout, outgoing, sealing
from bus.weights.lockstep import BodyFailed, lockstep
from bus.weights.sealing import CHUNK_BYTES, Seal
from bus.wire import subjects
from support.people import directory, identity

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8}
ADDRESS = "w.acme.hospital-a.X.update-1"


def body(tensors: dict[str, np.ndarray], reduction: str = "mean") -> bytes:
    metadata = {"muster": json.dumps({"reductions": dict.fromkeys(tensors, reduction)})}
    return save(tensors, metadata)


def understood(data: bytes) -> layout.Layout:
    return layout.parse(data[: layout.header_bytes(data)])


tensors = st.dictionaries(
    st.text(min_size=1, max_size=10),
    st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 5), max_size=3)),
    min_size=1,
    max_size=6,
)


@given(tensors)
def test_layout_agrees_with_the_safetensors_library(spec: dict[str, tuple[str, list[int]]]) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 100, size=shape).astype(DTYPES[dtype]) for name, (dtype, shape) in spec.items()}
    data = body(arrays)
    found = understood(data)
    assert found.size_bytes == len(data)
    assert {t.name for t in found.tensors} == set(arrays)
    for tensor in found.tensors:
        values = np.frombuffer(data[tensor.begin : tensor.end], DTYPES[tensor.dtype]).reshape(tensor.shape)
        assert np.array_equal(values, arrays[tensor.name])


@given(tensors, st.integers(1, 9))
def test_segments_cover_every_tensor_once(spec: dict[str, tuple[str, list[int]]], step: int) -> None:
    arrays = {name: np.zeros(shape, DTYPES[dtype]) for name, (dtype, shape) in spec.items()}
    found = understood(body(arrays))
    covered: dict[str, int] = dict.fromkeys(arrays, 0)
    for begin in range(0, found.size_bytes, step * 8):
        for segment in found.segments(begin, min(begin + step * 8, found.size_bytes)):
            assert (segment.end - segment.begin) % segment.tensor.dtype.itemsize == 0
            covered[segment.tensor.name] += segment.end - segment.begin
    assert covered == {t.name: t.end - t.begin for t in found.tensors}


def header(content: object) -> bytes:
    text = json.dumps(content).encode()
    return len(text).to_bytes(8, "little") + text


MUSTER = {"muster": json.dumps({"reductions": {"a": "mean", "b": "mean"}})}
BAD_HEADERS = {
    "not json": b"\x04\0\0\0\0\0\0\0{{{{",
    "not an object": header([1]),
    "no reductions": header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
    "tensor without reduction": header(
        {"__metadata__": MUSTER, "c": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    ),
    "unknown dtype": header({"__metadata__": MUSTER, "a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}),
    "shape denies size": header({"__metadata__": MUSTER, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}),
    "negative shape": header(
        {"__metadata__": MUSTER, "a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}
    ),
    "gap": header({"__metadata__": MUSTER, "a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}),
    "overlap": header(
        {
            "__metadata__": MUSTER,
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        }
    ),
    "missing offsets": header({"__metadata__": MUSTER, "a": {"dtype": "F32", "shape": [1]}}),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_bad_headers_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        layout.parse(BAD_HEADERS[name])


def test_unaligned_tensors_are_refused_with_the_remedy() -> None:
    text = json.dumps(
        {
            "__metadata__": MUSTER,
            "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]},
        }
    )
    text += " " * (-len(text) % 8)
    with pytest.raises(Invalid, match="falling element size"):
        layout.parse(len(text).to_bytes(8, "little") + text.encode())


def test_a_pickle_is_no_body() -> None:
    with pytest.raises(Invalid, match="not a safetensors file"):
        layout.header_bytes(b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins")


# ---- the seal ----

KEY = bytes(range(32))


def chunked(data: bytes) -> list[bytes]:
    return [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]


def seal(size: int, address: str = ADDRESS) -> Seal:
    return Seal(KEY, address, size, 64)


@given(st.binary(max_size=400))
def test_what_is_sealed_opens(data: bytes) -> None:
    ours = seal(len(data))
    sealed = [ours.close(i, chunk) for i, chunk in enumerate(chunked(data))]
    assert b"".join(ours.open(i, chunk) for i, chunk in enumerate(sealed)) == data


@given(st.integers(0, 2**16), st.integers(0, 2))
def test_any_flipped_bit_is_noticed(bit: int, index: int) -> None:
    data = bytes(180)
    ours = seal(len(data))
    chunk = bytearray(ours.close(index, chunked(data)[index]))
    chunk[bit // 8 % len(chunk)] ^= 1 << bit % 8
    with pytest.raises(Integrity, match=f"chunk {index}"):
        ours.open(index, bytes(chunk))


def test_moving_cutting_and_splicing_is_noticed() -> None:
    data = bytes(192)
    ours, chunks = seal(192), chunked(data)
    sealed = [ours.close(i, chunk) for i, chunk in enumerate(chunks)]
    attempts = [
        (ours, 1, sealed[0]),  # swapped
        (ours, 2, sealed[1]),  # repeated in place of the last
        (seal(128), 1, sealed[1]),  # truncated: what was inner would have to be last
        (seal(256), 2, sealed[2]),  # extended: what was last would have to be inner
        (seal(192, "w.acme.hospital-b.X.update-1"), 0, sealed[0]),  # another edge
        (seal(192, "w.acme.hospital-a.Y.update-1"), 0, sealed[0]),  # another experiment
        (seal(192, "w.acme.hospital-a.X.update-2"), 0, sealed[0]),  # another cycle
        (Seal(bytes(32), ADDRESS, 192, 64), 0, sealed[0]),  # another key
        (ours, 0, sealed[0][:-1]),
        (ours, 0, b""),
    ]
    for opener, index, chunk in attempts:
        with pytest.raises(Integrity):
            opener.open(index, chunk)


def test_file_keys_differ_with_principal_address_and_content() -> None:
    a, b = identity("hospital-a"), identity("hospital-b")
    keys = {
        sealing.file_key(a, ADDRESS, b"one"),
        sealing.file_key(a, ADDRESS, b"two"),
        sealing.file_key(a, ADDRESS + "0", b"one"),
        sealing.file_key(b, ADDRESS, b"one"),
    }
    assert len(keys) == 4
    assert sealing.file_key(a, ADDRESS, b"one") in keys


def test_wrapped_keys_open_for_their_recipient_and_object_only() -> None:
    recipient = identity("aggregator")
    wrapped = sealing.wrap_key(KEY, "aggregator", directory()["aggregator"].sealing, ADDRESS)  # type: ignore[index]
    assert sealing.unwrap_key(wrapped, "aggregator", recipient.sealing, ADDRESS) == KEY
    for who, keys, where in [
        ("aggregator", identity("hospital-a").sealing, ADDRESS),
        ("hospital-a", recipient.sealing, ADDRESS),
        ("aggregator", recipient.sealing, ADDRESS + "0"),
    ]:
        with pytest.raises(Integrity):
            sealing.unwrap_key(wrapped, who, keys, where)
    with pytest.raises(Integrity):
        sealing.unwrap_key(wrapped[:40], "aggregator", recipient.sealing, ADDRESS)


# ---- transfer ----


def recipients(*names: str) -> dict:
    return {name: directory()[name].sealing for name in names}  # type: ignore[index]


async def stored(tmp_path: Path, data: bytes) -> tuple[MemoryBroker, SealedObject]:
    path = tmp_path / "body"
    path.write_bytes(data)
    broker = MemoryBroker()
    sealed = await outgoing.upload_file(
        broker.blobs(), path, ADDRESS, identity("hospital-a"), recipients("aggregator", "hospital-b")
    )
    return broker, sealed


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 20 * CHUNK_BYTES + 7])
async def test_up_and_down(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    broker, sealed = await stored(tmp_path, data)
    assert sealed.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    for name in ("aggregator", "hospital-b"):
        target = tmp_path / name
        await incoming.download_file(broker.blobs(), sealed, identity(name), target)
        assert target.read_bytes() == data


async def test_uploading_again_stores_the_same_bytes(tmp_path: Path) -> None:
    broker, sealed = await stored(tmp_path, bytes(CHUNK_BYTES * 2))
    first = await broker.blobs().get(subjects.chunk(ADDRESS, 0))
    again, _ = await stored(tmp_path, bytes(CHUNK_BYTES * 2))
    assert await again.blobs().get(subjects.chunk(ADDRESS, 0)) == first
    repeated = await outgoing.upload_file(
        broker.blobs(), tmp_path / "body", ADDRESS, identity("hospital-a"), recipients("aggregator")
    )
    assert repeated == sealed


async def test_not_for_me(tmp_path: Path) -> None:
    broker, sealed = await stored(tmp_path, b"secret")
    with pytest.raises(NotFound, match="not sealed for 'acme'"):
        await incoming.download_file(broker.blobs(), sealed, identity("acme"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_lost_chunk_and_wrong_digest_leave_nothing_behind(tmp_path: Path) -> None:
    broker, sealed = await stored(tmp_path, bytes(CHUNK_BYTES * 3))
    lying = sealed.model_copy(update={"digest": "sha256:" + "0" * 64})
    with pytest.raises(Integrity, match="digest"):
        await incoming.download_file(broker.blobs(), lying, identity("aggregator"), tmp_path / "out")
    await broker.blobs().delete(subjects.chunk(ADDRESS, 1))
    with pytest.raises(NotFound):
        await incoming.download_file(broker.blobs(), sealed, identity("aggregator"), tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["body"]


@dataclass
class Numbers:
    """A body of ``count`` chunks: one may be gone, one may not open, or, behind the last, the digest may not hold."""

    count: int
    gone: int | None = None
    torn: int | None = None
    taken: int = 0

    async def take(self) -> list[bytes]:
        if self.taken == self.gone:
            raise NotFound("gone")
        self.taken += 1
        return [bytes([self.taken - 1])] if self.taken <= self.count else []

    def open(self, data: bytes) -> bytes:
        if data[0] == self.torn:
            raise Integrity("torn")
        return data

    def check(self) -> None:
        if self.torn == self.count:
            raise Integrity("torn")


async def test_lockstep_names_the_stream_that_failed() -> None:
    for ahead in (False, True):
        rows = [row async for row in lockstep([Numbers(2), Numbers(2)], ahead=ahead)]
        assert rows == [[b"\0", b"\0"], [b"\1", b"\1"]]
        for broken in (Numbers(1), Numbers(2, gone=1), Numbers(2, torn=1), Numbers(2, torn=2)):
            with pytest.raises(BodyFailed) as failed:
                _ = [row async for row in lockstep([Numbers(2), broken], ahead=ahead)]
            assert failed.value.index == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 6))
def test_large_headers_span_chunks(extra: int) -> None:
    names = {f"{'x' * 60_000}{k}": np.zeros(1, np.float32) for k in range(10 + extra)}
    data = body(names)
    assert layout.header_bytes(data) > CHUNK_BYTES
    assert understood(data).size_bytes == len(data)
