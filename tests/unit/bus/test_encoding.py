"""Encodings of updates: what is lost, what is not, and that a frame from anywhere is read or refused."""

from __future__ import annotations

import hashlib
import math
from itertools import product

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.errors import Integrity, Invalid
from bus.events.encodings import COMPRESSIONS, VALUES
from bus.events.weights import Encoding
from bus.weights.encoding import sparse, values
from bus.weights.encoding.draws import Philox
from bus.weights.encoding.frames import decode
from bus.weights.encoding.places import Places
from bus.weights.encoding.reading import Reader
from support.bodies import body, stored, tensors, wide
from support.encodings import chunks, decoded, encoded

FLOATS = ("F64", "F32", "F16", "BF16")
KEEPS = (1.0, 0.5, 0.03)
ALL = [
    Encoding(values=v, keep=k, compression=c, error_feedback=f)
    for v, k, c, f in product(VALUES, KEEPS, COMPRESSIONS, (False, True))
    if not f or v != "exact" or k < 1
]


def bodies(rng: np.random.Generator, size: int, spread: float = 0.1) -> tuple[bytes, bytes]:
    """A model with tensors of all kinds, and what was trained from it."""
    dtypes = {"f64": "F64", "steps": "I64", "f32": "F32", "f16": "F16", "bf16": "BF16", "flag": "U8"}
    reductions = {"steps": "sum", "flag": "keep"}

    def made(scale: float, around: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
        found = {}
        for place, (name, dtype) in enumerate(dtypes.items()):
            count = size + 7 * place
            if name in reductions:
                found[name] = rng.integers(0, 9, count).astype(np.int64 if name == "steps" else np.uint8)
                continue
            old = 0.0 if around is None else wide(around[name], dtype)
            found[name] = stored(old + rng.normal(0, scale, count), dtype)
        return found

    old = made(1.0, None)
    return body(old, dtypes, reductions), body(made(spread, old), dtypes, reductions)


def differences(one: bytes, other: bytes) -> dict[str, np.ndarray]:
    """Float tensor -> differences, in float64."""
    dtypes = {"f64": "F64", "f32": "F32", "f16": "F16", "bf16": "BF16"}
    left, right = tensors(one), tensors(other)
    return {name: wide(left[name], dtype) - wide(right[name], dtype) for name, dtype in dtypes.items()}


@pytest.mark.parametrize("encoding", ALL, ids=str)
@pytest.mark.parametrize("size", [1, 333])
def test_an_update_comes_back_as_near_as_its_encoding_promises(encoding: Encoding, size: int) -> None:
    model, trained = bodies(np.random.default_rng(size), size)
    frames, left = encoded(encoding, model, trained)
    assert (frames, [each.tobytes() for each in left]) == (
        (again := encoded(encoding, model, trained))[0],
        [each.tobytes() for each in again[1]],
    ), "the same work gives the same bytes"
    found = decoded(encoding, model, frames)
    if not encoding.lossy:
        assert found == trained
    header = len(model) - sum(t.nbytes for t in tensors(model).values())
    assert found[:header] == model[:header]
    for name in ("steps", "flag"):
        assert np.array_equal(tensors(found)[name], tensors(trained)[name]), "what is not averaged travels exactly"
    bound = {"exact": 0.0, "float16": 2.0**-10, "bfloat16": 2.0**-7, "int8": 1 / 127}[encoding.values]
    rounding = {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}
    step, lost, moved = differences(trained, model), differences(trained, found), differences(found, model)
    for name, wanted in step.items():
        went = moved[name] != 0
        most = np.abs(wanted).max() * bound + 4 * rounding[name]
        assert np.all(np.abs(lost[name][went]) <= most + 1e-12)
        if encoding.keep == 1 and encoding.values != "exact":
            assert np.all(np.abs(lost[name]) <= most + 1e-12)


@pytest.mark.parametrize("keep", [0.5, 0.03])
def test_what_is_not_sent_stays_bit_for_bit_and_what_is_sent_changed_most(keep: float) -> None:
    rng = np.random.default_rng(4)
    old = {"w": stored(rng.normal(size=500))}
    old["w"][::7] = -0.0
    new = {"w": stored(old["w"] + rng.normal(size=500))}
    model, trained = (body(each, {"w": "F32"}) for each in (old, new))
    frames, _ = encoded(Encoding(keep=keep), model, trained, size=1 << 20)
    found = tensors(decoded(Encoding(keep=keep), model, frames, 1 << 20))["w"]
    sent = found.view(np.uint32) != old["w"].view(np.uint32)
    assert sent.sum() == math.ceil(500 * keep)
    assert np.array_equal(found[sent], new["w"][sent])
    change = np.abs(new["w"].astype(float) - old["w"])
    assert change[sent].min() >= change[~sent].max()


def test_of_equal_changes_the_first_are_sent() -> None:
    assert sparse.largest(np.array([1.0, 2.0, 1.0, 2.0, 1.0]), 3).tolist() == [0, 1, 3]
    assert sparse.largest(np.zeros(4), 2).tolist() == [0, 1]
    assert [sparse.sent(10, keep) for keep in (0.01, 0.1, 0.11, 1.0)] == [1, 1, 2, 10]


@given(st.integers(1, 200_000), st.integers(0, 2**32), st.sampled_from([1, 2, 17, 300, 5000]))
@settings(max_examples=60, deadline=None)
def test_positions_come_back(count: int, seed: int, every: int) -> None:
    rng = np.random.default_rng(seed)
    positions = np.flatnonzero(rng.integers(0, every, count) == 0)
    if positions.size == 0:
        positions = np.array([count - 1])
    written = sparse.write(positions, count)
    reader = Reader(written)
    assert np.array_equal(sparse.read(reader, count, positions.size), positions)
    reader.end()
    assert len(written) <= sparse.most_bytes(count)
    if every >= 300 and positions.size > 20:
        assert len(written) < 5 * positions.size + 10, "far shorter than a bitmap"


def test_stochastic_rounding_is_right_on_average() -> None:
    steps = np.concatenate([[1.0], np.random.default_rng(1).uniform(-1, 1, 299)])
    total, runs = np.zeros(300), 3000
    for run in range(runs):
        written, read = values.write("int8", steps, Philox(run, "a", 1, 0), shuffle=False)
        assert np.array_equal(values.read("int8", Reader(written), 300, shuffle=False), read)
        total += read
    # A step is 1 / 127; the mean of as many roundings is off by five of its standard deviations at most.
    assert np.abs(total / runs - steps).max() < 5 * 0.5 / 127 / math.sqrt(runs)
    near = np.round(steps * 127) / 127
    assert np.abs(near - steps).max() > 10 * np.abs(total / runs - steps).mean(), "to nearest would not be"


@pytest.mark.parametrize(
    "steps",
    [
        np.zeros(3000),
        np.full(2, 1e-45),
        np.array([1e-300, -1e-308]),
        np.array([4e40, -1e3]),
        np.array([127.0, -127.0, 0.4]),
    ],
    ids=["zeros", "least float32", "beneath float32", "beyond float32", "whole"],
)
def test_extreme_blocks(steps: np.ndarray) -> None:
    written, read = values.write("int8", steps, Philox(0, "a", 1, 0), shuffle=False)
    assert np.array_equal(values.read("int8", Reader(written), steps.size, shuffle=False), read)
    scale = max(np.abs(steps).max() / 127 * (1 + 2.0**-22), 1.5e-45)
    assert np.abs(read - steps).max() <= scale
    assert np.all(read[steps == 0] == 0)


@pytest.mark.parametrize(
    ("words", "step", "advice"), [("float16", 7e4, "bfloat16"), ("bfloat16", 1e39, "exact"), ("int8", 1e41, "exact")]
)
def test_a_change_that_is_too_large_is_told_with_its_tensor(words: str, step: float, advice: str) -> None:
    model, trained = (body({"layer.w": np.array([value])}, {"layer.w": "F64"}) for value in (1.0, step))
    with pytest.raises(Invalid, match=rf"tensor 'layer.w'.* ask for {advice}") as caught:
        encoded(Encoding(values=words), model, trained)
    assert caught.value.code == "encoding.range"


def test_rounding_up_never_leaves_the_finite_numbers() -> None:
    for dtype, largest in (("F16", 65504.0), ("BF16", (2 - 2.0**-7) * 2.0**127), ("F64", 1.7976931348623157e308)):
        top = largest if dtype != "F64" else 1e30
        model = body({"w": stored(np.zeros(600), dtype)}, {"w": dtype})
        trained = body({"w": stored(np.linspace(0.99, 1, 600) * top, dtype)}, {"w": dtype})
        encoding = Encoding(values="int8")
        found = tensors(decoded(encoding, model, encoded(encoding, model, trained)[0]))["w"]
        assert np.isfinite(wide(found, dtype)).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("encoding", [e for e in ALL if e.error_feedback], ids=str)
def test_error_feedback_loses_nothing(encoding: Encoding, dtype: str) -> None:
    """What was decoded, and what is still left, is what was trained in all cycles but for the rounding of the rest."""
    rng = np.random.default_rng(9)
    model = body({"w": stored(rng.normal(size=700), dtype)}, {"w": dtype})
    left, trained_sum, decoded_sum, slack = None, np.zeros(700), np.zeros(700), 0.0
    for cycle in range(12):
        old = wide(tensors(model)["w"], dtype)
        trained = body({"w": stored(old + rng.normal(0, 0.01, 700), dtype)}, {"w": dtype})
        frames, left = encoded(encoding, model, trained, left, cycle=cycle)
        found = decoded(encoding, model, frames)
        trained_sum += wide(tensors(trained)["w"], dtype) - old
        decoded_sum += wide(tensors(found)["w"], dtype) - old
        rest = np.concatenate(left)
        slack += float(np.abs(rest).max()) * 2.0**-24 + 1e-15
        assert np.abs(decoded_sum + rest - trained_sum).max() <= slack
        model = found


def test_without_error_feedback_what_is_left_out_is_lost() -> None:
    model = body({"w": np.zeros(64, np.float32)}, {"w": "F32"})
    trained = body({"w": np.linspace(1, 2, 64, dtype=np.float32)}, {"w": "F32"})
    for feedback, sent in ((True, 10), (False, 2)):
        encoding = Encoding(keep=2 / 64, error_feedback=feedback)
        left, seen = None, np.zeros(64, bool)
        for cycle in range(5):
            frames, left = encoded(encoding, model, trained, left, cycle=cycle)
            left = left if feedback else None
            seen |= tensors(decoded(encoding, model, frames))["w"] != 0
        assert (seen.sum() >= sent) if feedback else (seen.sum() == sent)


def test_the_header_may_span_chunks() -> None:
    names = {f"a.long.name.of.a.layer.{number}": np.full(3, number, np.float32) for number in range(200)}
    model = body(names, dict.fromkeys(names, "F32"))
    trained = body({name: value + 1 for name, value in names.items()}, dict.fromkeys(names, "F32"))
    for encoding in (Encoding(values="int8"), Encoding(compression="zstd"), Encoding(keep=0.4)):
        frames, _ = encoded(encoding, model, trained)
        assert len(frames) > 10
        found = decoded(encoding, model, frames)
        assert len(found) == len(model)
        assert found == trained or encoding.lossy


def test_each_part_makes_it_smaller() -> None:
    rng = np.random.default_rng(2)
    old = rng.normal(0, 0.1, 100_000).astype(np.float32)
    new = old + rng.normal(0, 1e-3, 100_000).astype(np.float32)
    model, trained = (body({"w": each}, {"w": "F32"}) for each in (old, new))

    def share(**words: object) -> float:
        frames, _ = encoded(Encoding(**words), model, trained, size=512 * 1024)
        return sum(map(len, frames)) / len(model)

    assert share(values="int8") < 0.26
    assert share(values="float16") < 0.51
    assert share(compression="zstd") < 0.85
    assert share(values="int8", keep=0.01) < 0.006
    assert share(values="int8", keep=0.01, compression="zstd") <= share(values="int8", keep=0.01)


@given(st.sampled_from(ALL), st.binary(max_size=300), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_a_frame_of_any_bytes_is_read_or_refused(encoding: Encoding, junk: bytes, version: int) -> None:
    model = chunks(bodies(np.random.default_rng(1), 40)[0], 1 << 16)[0]
    place = Places().take(model)
    for frame in (junk, bytes([1, version]) + junk):
        try:
            found = decode(encoding, place, model, frame)
        except Integrity as error:
            assert error.code == "encoding.frame"  # noqa: PT017
        else:
            assert len(found) == len(model)


@given(st.sampled_from(ALL), st.data())
@settings(max_examples=300, deadline=None)
def test_a_frame_that_was_changed_is_read_or_refused(encoding: Encoding, data: st.DataObject) -> None:
    model, trained = bodies(np.random.default_rng(1), 60)
    frames, _ = encoded(encoding, model, trained, size=1 << 16)
    frame = bytearray(frames[0])
    for place in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=4)):
        frame[place] = data.draw(st.integers(0, 255))
    changed = bytes(frame[: data.draw(st.integers(0, len(frame)))]) + data.draw(st.binary(max_size=3))
    try:
        found = decode(encoding, Places().take(model), model, changed)
    except Integrity as error:
        assert error.code == "encoding.frame"  # noqa: PT017
    else:
        assert len(found) == len(model)


def frame_of(encoding: Encoding, size: int = 100) -> tuple[bytes, bytes]:
    model = body({"w": np.zeros(size, np.float32)}, {"w": "F32"})
    trained = body({"w": np.arange(size, dtype=np.float32)}, {"w": "F32"})
    return model, encoded(encoding, model, trained, size=1 << 16)[0][0]


def refused(encoding: Encoding, model: bytes, frame: bytes) -> str:
    with pytest.raises(Integrity) as caught:
        decode(encoding, Places().take(model), model, frame)
    return str(caught.value)


def test_what_is_wrong_with_a_frame_is_said() -> None:
    int8 = Encoding(values="int8")
    model, frame = frame_of(int8)
    assert "needs 2" in refused(int8, model, b"\x01")
    assert "version 9" in refused(int8, model, b"\x09" + frame[1:])
    assert "compressed" in refused(int8, model, frame[:1] + b"\x01" + frame[2:])
    assert "too many" in refused(int8, model, frame + b"\0")
    assert "at least" in refused(int8, model, frame[:-1])
    for scale in (np.nan, np.inf, -1.0):
        assert "scale" in refused(int8, model, frame[:2] + np.float32(scale).tobytes() + frame[6:])
    assert "level" in refused(int8, model, frame[:-1] + b"\x80")
    half = Encoding(values="float16")
    model, frame = frame_of(half)
    assert "not finite" in refused(half, model, frame[:-2] + np.float16(np.inf).tobytes())


def test_positions_out_of_range_or_number_are_refused() -> None:
    few = Encoding(keep=0.02)
    model, frame = frame_of(few)
    assert frame[2:7] == b"\x01\x02\0\0\0", "two gaps of one byte"
    assert "beyond the last" in refused(few, model, frame[:8] + b"\x60" + frame[9:])
    assert "positions where 2" in refused(few, model, frame[:8] + b"\xff" + frame[9:])
    assert "gaps for 2" in refused(few, model, frame[:3] + b"\xff\xff\xff\xff" + frame[7:])
    assert "form 7" in refused(few, model, frame[:2] + b"\x07" + frame[3:])
    assert "positions where 2" in refused(few, model, frame[:2] + b"\0" + b"\xff" * 13 + frame[-8:])


def test_a_frame_that_grows_beyond_its_bound_is_refused() -> None:
    model, _ = frame_of(Encoding())
    bomb = zstandard.ZstdCompressor().compress(bytes(10**8))
    assert len(bomb) < 20_000
    assert "at most" in refused(Encoding(compression="zstd"), model, b"\x01\x01" + bomb)
    unsaid = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10**8))
    assert "at most" in refused(Encoding(compression="zstd"), model, b"\x01\x01" + unsaid)


PINNED = [3854501574, 1034123804, 1072890484]
PINNED_FRAMES = "265c77d493141885ca0a0e1e859a7d643d17893e413c06f0f934cd5520173c75"


def test_what_is_stored_can_always_be_read() -> None:
    """A change of the form needs another version: stored updates are decoded again in every replay."""
    content = hashlib.sha256()
    model, trained = bodies(np.random.default_rng(5), 300)
    for encoding in ALL:
        if encoding.compression == "none":
            content.update(b"".join(encoded(encoding, model, trained)[0]))
    assert content.hexdigest() == PINNED_FRAMES


def test_random_numbers_depend_on_all_that_is_told_and_never_change() -> None:
    def first(*told: object) -> list[int]:
        return Philox(*told).draw(3).tolist()  # type: ignore[arg-type]

    told = (7, "hospital-a", 3, 0)
    assert first(*told) == first(*told)
    others = [(8, "hospital-a", 3, 0), (7, "hospital-b", 3, 0), (7, "hospital-a", 4, 0), (7, "hospital-a", 3, 1)]
    assert len({tuple(first(*each)) for each in (told, *others)}) == 5
    assert first(*told) == PINNED, "recorded updates could not be made again"
