"""One seed for an experiment, many independent streams of random numbers."""

from __future__ import annotations

import hashlib
import random

import numpy as np


def derive(seed: int, *purpose: str | int) -> int:
    """A 32-bit seed for one purpose: the first four bytes of SHA-256 over the seed and the purpose's words."""
    text = "\0".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def fix(seed: int) -> None:
    """Have what code draws from Python's and NumPy's own generators follow from ``seed``."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - somebody else's code may draw from it
