"""An edge encodes files: a chunk at a time, with what it left out before, and only what it can answer for."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bus.events.cycles import RunCycle
from bus.events.weights import Encoded, Encoding
from bus.weights import encoded, outgoing
from bus.weights.sealing import CHUNK_BYTES
from coordinator.domain.orders import orders
from edge_daemon.encoding import FRAMES, RESIDUAL, Files, encode_update, frames_digest
from support.play import Play
from training.errors import Category, TrainingError

BOTH = Encoding(values="int8", keep=0.02, error_feedback=True, compression="zstd")
ROUGH = Encoding(values="int8", error_feedback=True)


@pytest.fixture
def told() -> RunCycle:
    play = Play()
    play.until("train")
    return next(c for c in orders(play.experiment, play.story.now) if isinstance(c, RunCycle))


class Bench:
    """Files of one edge, over cycles."""

    def __init__(self, folder: Path, told: RunCycle, encoding: Encoding) -> None:
        self._folder = folder
        self._told = told.model_copy(update={"encoding": encoding})
        self.left: Path | None = None

    def write(self, name: str, weights: np.ndarray, **metadata: object) -> Path:
        path = self._folder / name
        content = {"reductions": {"w": "mean"}, **metadata}
        save_file({"w": weights}, path, {"muster": json.dumps(content)})
        return path

    def encode(self, model: np.ndarray, trained: np.ndarray, cycle: int = 1) -> tuple[Encoded, bool, np.ndarray]:
        """What is said, whether what was left out before went into it, and what it is decoded to."""
        number = self._told.cycle.model_copy(update={"number": cycle})
        command = self._told.model_copy(update={"cycle": number})
        files = Files(
            self.write("model", model), self.write("trained", trained), self.left, self._folder, self._folder / "kept"
        )
        said, added = encode_update(command, files)
        encoded.decode_file(self._folder / FRAMES, files.model, said.encoding, self._folder / "decoded")
        if command.encoding.error_feedback:
            self.left = (self._folder / "kept" / RESIDUAL).rename(self._folder / f"left-{cycle}")
        return said, added, load_file(self._folder / "decoded")["w"]

    @property
    def frames(self) -> Path:
        return self._folder / FRAMES


def test_what_is_said_of_an_update(tmp_path: Path, told: RunCycle) -> None:
    bench, rng = Bench(tmp_path, told, BOTH), np.random.default_rng(0)
    model = rng.normal(size=400_000).astype(np.float32)
    said, added, found = bench.encode(model, model + rng.normal(0, 0.01, model.size).astype(np.float32))
    frames = list(encoded.read_frames(bench.frames))
    assert len(frames) == -(-(tmp_path / "model").stat().st_size // CHUNK_BYTES) == 4
    assert said.sent_bytes == sum(map(len, frames))
    assert said.model == outgoing.digest_of(tmp_path / "model")[0]
    assert said.encoding == BOTH
    assert not added
    assert frames_digest(bench.frames) != outgoing.digest_of(bench.frames)[0]
    assert (found != model).sum() == pytest.approx(0.02 * model.size, rel=0.03)


@pytest.mark.parametrize("encoding", [BOTH, ROUGH, Encoding(keep=0.1, error_feedback=True)], ids=str)
def test_over_cycles_nothing_is_lost(tmp_path: Path, told: RunCycle, encoding: Encoding) -> None:
    bench, rng = Bench(tmp_path, told, encoding), np.random.default_rng(0)
    model, wanted, went = np.zeros(300_000, np.float32), np.zeros(300_000), np.zeros(300_000)
    for cycle in range(1, 6):
        trained = model + rng.normal(0, 0.01, model.size).astype(np.float32)
        _, added, found = bench.encode(model, trained, cycle)
        assert added is (cycle > 1)
        wanted += trained.astype(float) - model
        went += found.astype(float) - model
        model = found
    assert bench.left is not None
    left = np.frombuffer(bench.left.read_bytes()[71:-32], "<f4")
    # Five roundings to float32 of what is left: below 2**-24 of at most 0.1 each.
    assert np.abs(went + left - wanted).max() < 5 * 0.1 * 2.0**-24
    assert np.abs(left).max() > 0


def test_a_residual_that_is_damaged_or_another_models_is_as_good_as_none(tmp_path: Path, told: RunCycle) -> None:
    rng = np.random.default_rng(0)
    model = rng.normal(size=1000).astype(np.float32)
    trained = model + np.float32(0.1) * rng.normal(size=1000).astype(np.float32)
    bench = Bench(tmp_path, told, ROUGH)
    bench.encode(model, trained)
    good = bench.left
    assert good is not None
    whole = good.read_bytes()
    fresh = frames_digest(bench.frames)
    assert bench.encode(model, trained)[1]
    assert frames_digest(bench.frames) != fresh
    flipped = bytearray(whole)
    flipped[100] ^= 1
    for content in (bytes(flipped), whole[:-5], b"", b"sha256:" + bytes(64) + whole[71:]):
        bench.left = tmp_path / "bad"
        bench.left.write_bytes(content)
        assert not bench.encode(model, trained)[1]
        assert frames_digest(bench.frames) == fresh


def test_a_change_beyond_the_encoding_is_the_models_fault(tmp_path: Path, told: RunCycle) -> None:
    bench = Bench(tmp_path, told, Encoding(values="float16"))
    with pytest.raises(TrainingError, match=r"tensor 'w'.*bfloat16") as caught:
        bench.encode(np.zeros(3, np.float32), np.array([1, 70000, 2], np.float32))
    assert (caught.value.code, caught.value.category) == ("encoding.range", Category.MODEL)


def test_another_header_than_the_models_does_not_leave(tmp_path: Path, told: RunCycle) -> None:
    bench = Bench(tmp_path, told, ROUGH)
    model = bench.write("model", np.zeros(3, np.float32))
    other = bench.write("trained", np.ones(3, np.float32), about="something")
    with pytest.raises(TrainingError, match="header"):
        encode_update(
            told.model_copy(update={"encoding": ROUGH}), Files(model, other, None, tmp_path, tmp_path / "kept")
        )


def test_memory_does_not_grow_with_the_model(tmp_path: Path, told: RunCycle) -> None:
    peaks = []
    for size in (500_000, 4_000_000):
        rng = np.random.default_rng(0)
        model = rng.normal(size=size).astype(np.float32)
        bench = Bench(tmp_path, told, BOTH)
        files = Files(
            bench.write("model", model),
            bench.write("trained", model + np.float32(0.1)),
            None,
            tmp_path,
            tmp_path / "kept",
        )
        command = told.model_copy(update={"encoding": BOTH})
        tracemalloc.start()
        encode_update(command, files)
        encoded.decode_file(tmp_path / FRAMES, files.model, BOTH, tmp_path / "decoded")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2
