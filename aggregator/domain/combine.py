"""Combining the updates of one cycle, chunk by chunk: row k holds chunk k of every update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from aggregator.domain.formats import STORAGE
from aggregator.domain.reductions import accumulator
from bus.errors import Integrity, Invalid, MusterError
from bus.weights.layout import Layout, Segment, header_bytes, parse
from bus.weights.lockstep import BodyFailed

FIRST: Final = 0


class Combiner:
    """Turns rows of chunks into the chunks of the combined body. Holds one row at a time, after the header.

    Args:
        weights: Example count of each update, in the order of the rows.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = tuple(weights)
        self._bound = sum(self._weights)
        self._layout: Layout | None = None
        self._early: list[Sequence[bytes]] = []
        self._offset = 0

    @property
    def layout(self) -> Layout:
        """Of all updates and so of the outcome; known once the header has been seen.

        Raises:
            Invalid: The updates ended before that.
        """
        if self._layout is None:
            raise Invalid("the weights end within their header", code="weights.format")
        return self._layout

    def take(self, row: Sequence[bytes]) -> list[bytes]:
        """The chunks of the combined body that ``row`` completes: one, except around a header of several chunks.

        Raises:
            BodyFailed: One update differs from the first in its header or sizes, or holds impossible numbers.
            Invalid: The first update is not a body at all, or a tensor's reduction is unknown.
        """
        self._check_sizes(row)
        if self._layout is not None:
            return [self._combine(row)]
        self._early.append(row)
        self._layout = self._read_header()
        if self._layout is None:
            return []
        early, self._early = self._early, []
        return [self._combine(each) for each in early]

    def finish(self) -> None:
        """Check that the rows made up the whole body.

        Raises:
            BodyFailed: They did not.
        """
        if self._layout is None or self._offset != self._layout.size_bytes:
            # All have the same header and the same length, so the first is as wrong as the others.
            found = Invalid(f"it ends at byte {self._offset}, unlike its header says", code="weights.format")
            raise BodyFailed(FIRST, found)

    def _check_sizes(self, row: Sequence[bytes]) -> None:
        for index, chunk in enumerate(row):
            if len(chunk) != len(row[FIRST]):
                found = Invalid(
                    f"a chunk has {len(chunk)} bytes where others have {len(row[FIRST])}", code="weights.layout"
                )
                raise BodyFailed(index, found)

    def _read_header(self) -> Layout | None:
        start = b"".join(row[FIRST] for row in self._early)
        try:
            size = header_bytes(start)
            return parse(start[:size]) if len(start) >= size else None
        except Invalid as error:
            raise BodyFailed(FIRST, error) from error

    def _combine(self, row: Sequence[bytes]) -> bytes:
        begin, end = self._offset, self._offset + len(row[FIRST])
        out = bytearray(row[FIRST])
        self._check_headers(row, max(0, min(end, len(self.layout.header)) - begin))
        for segment in self.layout.segments(begin, end):
            out[segment.begin : segment.end] = self._reduce(segment, row)
        self._offset = end
        return bytes(out)

    def _check_headers(self, row: Sequence[bytes], size: int) -> None:
        for index, chunk in enumerate(row):
            if chunk[:size] != row[FIRST][:size]:
                found = Integrity("its tensors differ in name, type, shape or order", code="weights.layout")
                raise BodyFailed(index, found)

    def _reduce(self, segment: Segment, row: Sequence[bytes]) -> bytes:
        tensor = segment.tensor
        count = (segment.end - segment.begin) // tensor.dtype.itemsize
        combined = accumulator(tensor.reduction, tensor.dtype, count, self._bound)
        storage = STORAGE[tensor.dtype]
        for index, (chunk, weight) in enumerate(zip(row, self._weights, strict=True)):
            try:
                combined.add(np.frombuffer(chunk, storage, count, segment.begin), weight)
            except MusterError as error:
                raise BodyFailed(index, _located(error, tensor.name)) from error
        return combined.result().tobytes()


def _located(error: MusterError, tensor: str) -> MusterError:
    return type(error)(f"tensor {tensor!r}: {error.message}", code=error.code)
