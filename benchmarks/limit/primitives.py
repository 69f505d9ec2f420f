"""What the other steps of a cycle cost at the least: CPU seconds per byte on this machine, now."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bus.weights.sealing import CHUNK_BYTES, TAG_BYTES

_TOTAL: Final = 256 * 1024 * 1024
"""Bytes that each step is done on."""
_ELEMENTS: Final = 64 * 1024
"""Numbers that are summed at once: they stay in the processor's cache."""
_TRIES: Final = 3


def per_byte(step: Callable[[], object], bytes_: int) -> float:
    """CPU seconds per byte of ``step``, which works on ``bytes_``: the best of a few tries, over enough of it."""
    times = max(1, _TOTAL // bytes_)
    step()
    best = float("inf")
    for _ in range(_TRIES):
        began = time.process_time()
        for _ in range(times):
            step()
        best = min(best, time.process_time() - began)
    return best / (times * bytes_)


def seal() -> float:
    """AES-256-GCM of one chunk into memory that is there."""
    cipher, nonce = AESGCM(AESGCM.generate_key(256)), bytes(12)
    plain, sealed = os.urandom(CHUNK_BYTES), bytearray(CHUNK_BYTES + TAG_BYTES)
    return per_byte(lambda: cipher.encrypt_into(nonce, plain, b"", sealed), CHUNK_BYTES)


def unseal() -> float:
    """The other way."""
    cipher, nonce = AESGCM(AESGCM.generate_key(256)), bytes(12)
    sealed, plain = cipher.encrypt(nonce, os.urandom(CHUNK_BYTES), b""), bytearray(CHUNK_BYTES)
    return per_byte(lambda: cipher.decrypt_into(nonce, sealed, b"", plain), CHUNK_BYTES)


def digest() -> float:
    """SHA-256 of one chunk."""
    data = os.urandom(CHUNK_BYTES)
    return per_byte(lambda: hashlib.sha256(data).digest(), CHUNK_BYTES)


def add() -> float:
    """One block of float32 into a sum of 64-bit integers in fixed point, times a weight."""
    values = np.random.default_rng(1).random(_ELEMENTS, np.float32)
    scaled, whole = np.empty(_ELEMENTS, np.float64), np.empty(_ELEMENTS, np.int64)
    total = np.zeros(_ELEMENTS, np.int64)

    def step() -> None:
        np.multiply(values, 2.0**30, out=scaled)
        np.copyto(whole, scaled, casting="unsafe")
        np.multiply(whole, 13, out=whole)
        np.add(total, whole, out=total)

    return per_byte(step, _ELEMENTS * 4)


def copy() -> float:
    """From memory to memory, both larger than the caches."""
    source, target = np.ones(_TOTAL // 4, np.uint8), np.ones(_TOTAL // 4, np.uint8)
    return per_byte(lambda: np.copyto(target, source), _TOTAL // 4)


def files() -> tuple[float, float]:
    """Writing a file a chunk at a time, and reading it, both through the system's cache."""
    chunk, buffer = os.urandom(CHUNK_BYTES), bytearray(CHUNK_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"

        def write() -> None:
            with path.open("wb", buffering=0) as file:
                for _ in range(_TOTAL // 4 // CHUNK_BYTES):
                    file.write(chunk)

        def read() -> None:
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

        return per_byte(write, _TOTAL // 4), per_byte(read, _TOTAL // 4)
