"""Where two files of weights differ."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open


@dataclass(frozen=True)
class Difference:
    """The first tensor, by name, that is not the same in both files.

    Attributes:
        tensor: Its name; ``None`` if the tensors are equal and only what is said about them is not.
        elements: How many elements it has.
        different: How many of them differ.
        greatest: The greatest absolute difference; ``None`` if the shapes or types are not the same.
    """

    tensor: str | None
    elements: int = 0
    different: int = 0
    greatest: float | None = None

    def __str__(self) -> str:
        if self.tensor is None:
            return "all tensors equal, but not what is said about them in the file's header"
        if self.greatest is None:
            return f"tensor {self.tensor!r}: missing on one side, or of another shape or type"
        return f"tensor {self.tensor!r}: {self.different} of {self.elements} elements, by at most {self.greatest:.6g}"


def first_difference(recorded: Path, found: Path) -> Difference:
    """The first difference between two safetensors files that are not the same; reads one tensor at a time."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(safe_open(path, framework="numpy")) for path in (recorded, found))
        here, there = set(one.keys()), set(other.keys())
        for name in sorted(here | there):
            if name not in here or name not in there:
                return Difference(name)
            left, right = one.get_tensor(name), other.get_tensor(name)
            if left.shape != right.shape or left.dtype != right.dtype:
                return Difference(name, int(left.size))
            # Bits and not values: -0.0 and 0.0 are two digests.
            unequal = np.frombuffer(left.tobytes(), np.uint8) != np.frombuffer(right.tobytes(), np.uint8)
            if unequal.any():
                different = int(unequal.reshape(-1, left.dtype.itemsize).any(axis=1).sum())
                away = np.abs(left.astype(np.float64) - right.astype(np.float64))
                return Difference(name, int(left.size), different, float(away.max()))
    return Difference(None)
