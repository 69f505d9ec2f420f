"""What encodings of updates save, cost and lose: bytes, speed and error of one update, and of many cycles.

The first table encodes and decodes one update of float32 numbers in chunks, as edges and the aggregator do, on one
core. The second trains a softmax regression on real data (scikit-learn's digits) at four sites with unequal classes,
with the mean of the decoded updates, with and without error feedback.

Usage: encodings.py [--elements 25000000] [--cycles 20]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sklearn.datasets import load_digits

from bus.events.weights import Encoding
from bus.weights.encoding.draws import Philox
from bus.weights.encoding.frames import Residual, decode, encode
from bus.weights.encoding.places import Place, Places
from bus.weights.layout import header_bytes
from bus.weights.sealing import CHUNK_BYTES
from support.bodies import body

Floats = NDArray[np.float32]
MEGA = 1e6
WAYS: dict[str, Encoding] = {
    "exact, zstd": Encoding(compression="zstd"),
    "bfloat16": Encoding(values="bfloat16"),
    "float16": Encoding(values="float16"),
    "float16, zstd": Encoding(values="float16", compression="zstd"),
    "int8": Encoding(values="int8"),
    "int8, zstd": Encoding(values="int8", compression="zstd"),
    "keep 0.1": Encoding(keep=0.1),
    "keep 0.1, int8": Encoding(values="int8", keep=0.1),
    "keep 0.01, int8": Encoding(values="int8", keep=0.01),
    "keep 0.01, int8, zstd": Encoding(values="int8", keep=0.01, compression="zstd"),
}
LEARN: tuple[Encoding, ...] = (
    Encoding(values="float16"),
    Encoding(values="int8"),
    Encoding(keep=0.1),
    Encoding(values="int8", keep=0.1),
    Encoding(values="int8", keep=0.02),
)


def chunks(content: bytes) -> Iterator[bytes]:
    for begin in range(0, len(content), CHUNK_BYTES):
        yield content[begin : begin + CHUNK_BYTES]


def file(weights: Floats) -> bytes:
    return body({"w": weights}, {"w": "F32"})


@dataclass
class Sent:
    """One update there and back.

    Attributes:
        found: What was decoded.
        size: Bytes sent.
        encode_s: Seconds.
        decode_s: Seconds.
    """

    found: Floats
    size: int
    encode_s: float
    decode_s: float


class Edge:
    """Encodes one edge's updates, and remembers what it left out if that is wanted."""

    def __init__(self, name: str, encoding: Encoding) -> None:
        self._name = name
        self._encoding = encoding
        self._left: list[Residual] = []

    def send(self, old: Floats, new: Floats, cycle: int = 1) -> Sent:
        """Encode ``new`` as an update of ``old``, and decode it."""
        model, trained, places, feed = file(old), file(new), Places(), self._encoding.error_feedback
        there: list[Place] = [places.take(chunk) for chunk in chunks(model)]
        left = self._left or [np.zeros(_elements(place), np.float32) for place in there]
        begun = time.perf_counter()
        frames = [
            encode(self._encoding, place, a, b, rest if feed else None, Philox(0, self._name, cycle, index))
            for index, (place, a, b, rest) in enumerate(zip(there, chunks(model), chunks(trained), left, strict=True))
        ]
        encoded = time.perf_counter()
        parts = [
            decode(self._encoding, place, chunk, frame.data)
            for place, chunk, frame in zip(there, chunks(model), frames, strict=True)
        ]
        decoded = time.perf_counter()
        self._left = [frame.residual for frame in frames] if feed else []
        found = b"".join(parts)
        weights = np.frombuffer(found, np.float32, offset=header_bytes(found[:8]))
        return Sent(weights, sum(len(f.data) for f in frames), encoded - begun, decoded - encoded)


def _elements(place: Place) -> int:
    return sum((s.end - s.begin) // s.tensor.dtype.itemsize for s in place.segments)


def one_update(elements: int) -> None:
    """Bytes, speed and error of one update."""
    rng = np.random.default_rng(0)
    old = rng.normal(0, 0.02, elements).astype(np.float32)
    step = rng.normal(0, 1e-3, elements).astype(np.float32)
    few = np.where(rng.random(elements) < 0.05, step, np.float32(0))
    print(f"One update of {elements / MEGA:g} million float32 numbers, {4 * elements / MEGA:g} MB.\n")
    print("| encoding | all changed: sent | encode MB/s | decode MB/s | error | one in 20 changed: sent | error |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for name, encoding in WAYS.items():
        dense, sparse = (_row(encoding, old, old + change) for change in (step, few))
        print(f"| {name} | {dense[0]} | {dense[1]} | {dense[2]} | {dense[3]} | {sparse[0]} | {sparse[3]} |", flush=True)


def _row(encoding: Encoding, old: Floats, new: Floats) -> tuple[str, str, str, str]:
    sent = Edge("a", encoding).send(old, new)
    megabytes = old.nbytes / MEGA
    error = np.linalg.norm(sent.found - new) / np.linalg.norm(new - old)
    return (
        f"{sent.size / old.nbytes:.4f}",
        f"{megabytes / sent.encode_s:.0f}",
        f"{megabytes / sent.decode_s:.0f}",
        "0" if error == 0 else f"{error:.2g}",
    )


class Digits:
    """Softmax regression on digits at four sites; each has seven in ten of its rows from three classes of its own."""

    def __init__(self) -> None:
        pixels, labels = load_digits(return_X_y=True)
        rng = np.random.default_rng(1)
        rows = np.concatenate([pixels / 16.0, np.ones((len(pixels), 1))], axis=1)
        order = rng.permutation(len(rows))
        self.test, train = order[:400], order[400:]
        self.rows, self.labels = rows, labels
        at_home = rng.random(len(train)) < 0.7
        site = np.where(at_home, np.minimum(labels[train] // 3, 3), rng.integers(0, 4, len(train)))
        self.sites = [train[site == number] for number in range(4)]

    def probabilities(self, weights: Floats, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each class, for each row."""
        scores = self.rows[rows] @ weights.reshape(-1, 10).astype(np.float64)
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)

    def trained(self, weights: Floats, site: NDArray[np.int64]) -> Floats:
        """Five steps of gradient descent."""
        for _ in range(5):
            wrong = self.probabilities(weights, site)
            wrong[np.arange(len(site)), self.labels[site]] -= 1
            weights = weights - (0.5 * self.rows[site].T @ wrong / len(site)).astype(np.float32).reshape(-1)
        return weights

    def tested(self, weights: Floats) -> tuple[float, float]:
        """Log loss and accuracy on rows of all sites."""
        found = self.probabilities(weights, self.test)
        right = found[np.arange(len(self.test)), self.labels[self.test]]
        return float(-np.log(right).mean()), float((found.argmax(axis=1) == self.labels[self.test]).mean())


def many_cycles(cycles: int) -> None:
    """What comes of encoding every update of a training."""
    digits = Digits()
    exact, _ = _learnt(digits, Encoding(), cycles)
    loss, accuracy = digits.tested(exact)
    print(f"\nSoftmax regression on digits after {cycles} cycles at four sites.\n")
    print("| encoding | sent | log loss | accuracy | away from the exact run's model | the same with error feedback |")
    print("| --- | --: | --: | --: | --: | --: |")
    print(f"| none | 1.000 | {loss:.4f} | {accuracy:.4f} | 0 | |")
    for bare in LEARN:
        cells = []
        for encoding in (bare, bare.model_copy(update={"error_feedback": True})):
            weights, share = _learnt(digits, encoding, cycles)
            away = float(np.linalg.norm(weights - exact) / np.linalg.norm(exact))
            loss, accuracy = digits.tested(weights)
            cells.append((f"{share:.3f}", f"{loss:.4f}", f"{accuracy:.4f}", f"{away:.2g}"))
        plain, fed = cells
        told = f"loss {fed[1]}, accuracy {fed[2]}, away {fed[3]}"
        print(f"| {_name(bare)} | {plain[0]} | {plain[1]} | {plain[2]} | {plain[3]} | {told} |")


def _learnt(digits: Digits, encoding: Encoding, cycles: int) -> tuple[Floats, float]:
    """The model, and the share of bytes that was sent for it."""
    model = np.zeros(digits.rows.shape[1] * 10, np.float32)
    edges = [Edge(f"site-{number}", encoding) for number in range(len(digits.sites))]
    counts = np.array([len(site) for site in digits.sites], np.float64)
    sent = 0
    for cycle in range(1, cycles + 1):
        updates = [
            edge.send(model, digits.trained(model, site), cycle) for edge, site in zip(edges, digits.sites, strict=True)
        ]
        sent += sum(update.size for update in updates)
        mean = sum(n * update.found.astype(np.float64) for n, update in zip(counts, updates, strict=True))
        model = (mean / counts.sum()).astype(np.float32)
    return model, sent / (cycles * len(edges) * model.nbytes)


def _name(encoding: Encoding) -> str:
    words = {"values": encoding.values, "keep": encoding.keep}
    return json.dumps(words).strip("{}").replace('"', "")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--elements", type=int, default=25_000_000)
    parser.add_argument("--cycles", type=int, default=20)
    given = parser.parse_args()
    one_update(given.elements)
    many_cycles(given.cycles)


if __name__ == "__main__":
    main()
