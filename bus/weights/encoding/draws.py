"""Random numbers that are the same whenever the same work is done again."""

from __future__ import annotations

import hashlib

import msgpack
import numpy as np
from numpy.typing import NDArray

_KEY_BYTES = 16


class Philox:
    """The numbers for one chunk of one update.

    Philox 4x64-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011), keyed by
    SHA-256. numpy promises never to change what it gives out raw (NEP 19). Neither trial nor attempt matter: a cycle
    that is run again rounds alike, and an experiment that was disturbed ends with the same model.

    Args:
        seed: Of the experiment.
        edge: Whose update it is.
        cycle: Its number.
        chunk: Which chunk.
    """

    def __init__(self, seed: int, edge: str, cycle: int, chunk: int) -> None:
        told: bytes = msgpack.packb(["muster rounding v1", seed, edge, cycle, chunk])
        key = int.from_bytes(hashlib.sha256(told).digest()[:_KEY_BYTES], "little")
        self._source = np.random.Philox(key=key)

    def draw(self, count: int) -> NDArray[np.uint32]:
        """The next ones, evenly distributed over 32 bits."""
        raw = np.asarray(self._source.random_raw(-(-count // 2)))
        return raw.astype("<u8").view("<u4")[:count]
