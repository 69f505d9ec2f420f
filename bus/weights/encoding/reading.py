"""Reading a frame that anybody may have written."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bus.errors import Integrity


class Reader:
    """Takes pieces from a frame's content.

    Args:
        content: All of it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size: int) -> memoryview:
        """The next ``size`` bytes.

        Raises:
            Integrity: There are not so many left.
        """
        if len(self._content) - self._at < size:
            refuse(f"it has {len(self._content)} bytes, and needs {self._at + size} at least")
        piece = memoryview(self._content)[self._at : self._at + size]
        self._at += size
        return piece

    def number(self, size: int) -> int:
        """A whole number of ``size`` bytes.

        Raises:
            Integrity: There are not so many left.
        """
        return int.from_bytes(self.take(size), "little")

    def array(self, kind: np.dtype[Any], count: int, *, shuffled: bool = False) -> NDArray[Any]:
        """The next ``count`` elements of a type, which may have been shuffled.

        Raises:
            Integrity: There are not so many left.
        """
        piece = self.take(count * kind.itemsize)
        if not shuffled or kind.itemsize == 1:
            return np.frombuffer(piece, kind)
        planes = np.frombuffer(piece, np.uint8).reshape(kind.itemsize, count)
        return np.ascontiguousarray(planes.T).reshape(-1).view(kind)

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            Integrity: There is.
        """
        if left := len(self._content) - self._at:
            refuse(f"it has {left} bytes too many")


def refuse(why: str) -> NoReturn:
    """Say that a frame cannot be used.

    Raises:
        Integrity: Always.
    """
    raise Integrity(f"a frame of the encoded update cannot be decoded: {why}", code="encoding.frame")


def shuffled(values: NDArray[Any]) -> bytes:
    """First the lowest bytes of all elements, then the next ones: what is alike lies together, for a compressor."""
    if values.itemsize == 1:
        return values.tobytes()
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.itemsize).T).tobytes()
