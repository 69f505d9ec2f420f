"""One seed for an experiment, many independent streams of random numbers."""

from __future__ import annotations

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
    """A 32-bit seed for one purpose: the first four bytes of SHA-256 over the seed and the purpose's words."""
    text = "\0".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
