"""Where in the chunks of a model what lies: found by walking through it once, holding no more than its header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bus.weights.encoding.floats import encodable
from bus.weights.layout import Layout, Segment, header_bytes, parse


@dataclass(frozen=True, slots=True)
class Place:
    """What one chunk holds.

    Attributes:
        header: Bytes at its beginning that belong to the header. They are the model's own and are not sent.
        segments: Runs of elements that are encoded; what lies between them travels byte for byte.
    """

    header: int
    segments: Sequence[Segment]

    def between(self, size: int) -> list[slice]:
        """Which bytes of a chunk of ``size`` bytes travel as they are."""
        edges = [self.header, *(edge for s in self.segments for edge in (s.begin, s.end)), size]
        return [slice(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]


class Places:
    """Walks through a model's chunks."""

    def __init__(self) -> None:
        self._start = b""
        self._layout: Layout | None = None
        self._offset = 0

    def take(self, chunk: bytes) -> Place:
        """What the next chunk holds.

        Raises:
            Invalid: The model is no safetensors file.
        """
        if self._layout is None:
            self._read_header(chunk)
        begin, end = self._offset, self._offset + len(chunk)
        self._offset = end
        if self._layout is None:
            return Place(len(chunk), ())
        segments = [s for s in self._layout.segments(begin, end) if encodable(s.tensor)]
        return Place(max(0, min(len(self._layout.header), end) - begin), segments)

    def _read_header(self, chunk: bytes) -> None:
        self._start += chunk
        size = header_bytes(self._start)
        if len(self._start) >= size:
            self._layout, self._start = parse(self._start[:size]), b""
