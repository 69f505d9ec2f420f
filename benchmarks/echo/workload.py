"""Echo training: an edge adds a constant of its own to every number of the model; nothing is learnt.

Standard library and numpy only, no import of ours: every system's program imports a copy of this one file, so that
all of them do the same.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES = 2048
"""Numbers of the final model that are compared with exact arithmetic, spread evenly over it."""
BLOCK = 1 << 20
"""Numbers that are made or changed at once: 4 MiB."""
_WIDTHS = ((5, 64), (50, 128), (300, 512), (2000, 768), (8000, 2048))
_WIDEST = 4096


def layers(megabytes: float, arrays: int = 0) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a model of ``megabytes`` million bytes of float32, in the order of a file.

    Like a transformer: a fifth in one embedding, then as many blocks of 16 arrays as fit, a head of what is left. 1,
    10, 100 and 500 MB are 67, 163, 99 and 227 arrays.

    Args:
        megabytes: Size.
        arrays: So many flat arrays of equal size instead; 0 for the transformer.
    """
    total = count(megabytes)
    if arrays:
        cuts = [total * k // arrays for k in range(arrays + 1)]
        return [(f"array{k:05}", (end - begin,)) for k, (begin, end) in enumerate(itertools.pairwise(cuts))]
    width = next((width for below, width in _WIDTHS if megabytes < below), _WIDEST)
    rows = total // 5 // width
    found: list[tuple[str, tuple[int, ...]]] = [("embedding", (rows, width))]
    left = total - rows * width
    block = _block(width)
    size = sum(math.prod(shape) for _, shape in block)
    for number in range(left // size):
        found += [(f"block{number:03}.{name}", shape) for name, shape in block]
    left %= size
    if left // width:
        found.append(("head.weight", (left // width, width)))
    if left % width:
        found.append(("head.bias", (left % width,)))
    return found


def _block(width: int) -> list[tuple[str, tuple[int, ...]]]:
    """One transformer block: attention, a perceptron four times as wide, two norms."""
    attention = [(f"attention.{which}", (width, width)) for which in "qkvo"]
    biases = [(f"attention.{which}.bias", (width,)) for which in "qkvo"]
    up = [("up", (width, 4 * width)), ("up.bias", (4 * width,))]
    down = [("down", (4 * width, width)), ("down.bias", (width,))]
    norms = [(f"norm{which}.{part}", (width,)) for which in (1, 2) for part in ("scale", "shift")]
    return [*attention, *biases, *up, *down, *norms]


def count(megabytes: float) -> int:
    """How many numbers are in a model of this size."""
    return int(megabytes * 1_000_000) // 4


def first(total: int, seed: int) -> Iterator[np.ndarray]:
    """The numbers of the first model, in order, in blocks: uniform in [-0.02, 0.02), float32."""
    generator = np.random.default_rng(seed)
    for begin in range(0, total, BLOCK):
        block = generator.random(min(BLOCK, total - begin), dtype=np.float32)
        block -= np.float32(0.5)
        block *= np.float32(0.04)
        yield block


def model(megabytes: float, arrays: int, seed: int) -> dict[str, np.ndarray]:
    """The whole first model."""
    flat = np.concatenate(list(first(count(megabytes), seed)))
    found, at = {}, 0
    for name, shape in layers(megabytes, arrays):
        size = math.prod(shape)
        found[name] = flat[at : at + size].reshape(shape).copy()
        at += size
    return found


def step(edge: int) -> np.float32:
    """What edge number ``edge`` adds to every number."""
    return np.float32(0.001) * np.float32(edge + 1)


def examples(edge: int) -> int:
    """How much its update weighs."""
    return 10 + 3 * edge


def trained(weights: Mapping[str, np.ndarray], edge: int) -> dict[str, np.ndarray]:
    """The training of one edge."""
    return {name: array + step(edge) for name, array in weights.items()}


def places(total: int) -> np.ndarray:
    """Which numbers are compared."""
    return np.unique(np.linspace(0, total - 1, min(total, SAMPLES)).astype(np.int64))


def mark(path: str, what: str, **more: object) -> None:
    """Append a line that says when something happened: a steady clock that all processes of a machine share."""
    line = json.dumps({"what": what, "at": time.monotonic(), **more}) + "\n"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), "w") as file:
        file.write(line)


def keep(path: str, weights: Mapping[str, Any], megabytes: float, arrays: int) -> None:
    """Write what is compared of a final model: the numbers at ``places``, and a digest of all."""
    digest, found, at, total = hashlib.sha256(), [], 0, count(megabytes)
    wanted = places(total)
    for name, _ in layers(megabytes, arrays):
        flat = np.ascontiguousarray(weights[name]).ravel()
        digest.update(flat.tobytes())
        here = wanted[(wanted >= at) & (wanted < at + flat.size)]
        found.append(flat[here - at])
        at += flat.size
    np.save(path + ".npy", np.concatenate(found))
    Path(path).write_text(json.dumps({"digest": digest.hexdigest(), "numbers": at, "expected": total}))
