"""Combining the updates of one cycle, chunk by chunk: row k holds chunk k of every update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aggregator.domain import memory
from aggregator.domain.formats import STORAGE, Doubles, Values
from aggregator.domain.memory import learnt
from aggregator.domain.reductions import accumulator
from aggregator.domain.rows import FIRST, Row, Rows
from aggregator.domain.strategies.mean import Mean
from aggregator.domain.strategies.protocol import Piece, Strategy, Survey
from bus.errors import Integrity, MusterError
from bus.weights.combining import Produced
from bus.weights.layout import DType, Layout, Segment
from bus.weights.lockstep import BodyFailed


class Surveyor:
    """Lets a survey see what is learnt, chunk by chunk.

    Args:
        survey: Of a strategy.
        weights: Of each update, in the order of the rows.
    """

    def __init__(self, survey: Survey, weights: Sequence[int]) -> None:
        self._survey = survey
        self._weights = tuple(weights)
        self._rows = Rows()

    def take(self, row: Sequence[bytes]) -> None:
        """See the next chunk of every update.

        Raises:
            BodyFailed: One differs in layout from the first, or holds impossible numbers.
        """
        for ready in self._rows.take(row):
            for segment in self._rows.layout.segments(ready.begin, ready.end):
                if learnt(segment.tensor):
                    try:
                        self._survey.take(_piece(segment, ready.chunks, self._weights))
                    except MusterError as error:
                        raise _located(error, segment.tensor.name) from error

    def choose(self) -> tuple[int, ...]:
        """Indices of the updates that count.

        Raises:
            BodyFailed: The rows did not make up whole bodies.
        """
        self._rows.finish()
        return self._survey.choose()


class Combiner:
    """Turns rows of chunks into the chunks of the combined body. Holds one row at a time, after the header.

    Args:
        weights: Of each update, in the order of the rows.
        strategy: What to make of the tensors that are learnt.
        chosen: The updates that its survey chose; all, if it has none.
    """

    def __init__(
        self, weights: Sequence[int], strategy: Strategy | None = None, chosen: Sequence[int] | None = None
    ) -> None:
        self._weights = tuple(weights)
        self._bound = sum(self._weights)
        self._strategy = strategy or Mean()
        self._slots = tuple(self._strategy.slots)
        self._chosen = range(len(self._weights)) if chosen is None else chosen
        self._rows = Rows()
        self._ready: list[Row] = []

    @property
    def layout(self) -> Layout:
        """Of all updates and so of the outcome; known once the header has been seen.

        Raises:
            Invalid: The updates ended before that.
        """
        return self._rows.layout

    @property
    def state_bytes(self) -> int:
        """Size of the whole state; known once the header has been seen. 0 if the strategy keeps none."""
        return memory.size_bytes(self.layout, self._slots) if self._slots else 0

    def take(self, row: Sequence[bytes]) -> Sequence[bytes]:
        """The chunks of the combined body that ``row`` completes, with a strategy that keeps no state.

        Raises:
            BodyFailed: As ``offer`` and ``combine``.
        """
        self.offer(row)
        return self.combine(None).chunks

    def offer(self, row: Sequence[bytes]) -> int:
        """Take the next chunk of every update, and last that of the last global model if the strategy needs it.

        Returns:
            How many bytes of the old state ``combine`` needs for it.

        Raises:
            BodyFailed: One update differs from the first in its header or sizes, or the first is not a body at all.
        """
        self._ready = self._rows.take(row)
        if not self._slots or not self._ready:
            return 0
        segments = (s for ready in self._ready for s in self.layout.segments(ready.begin, ready.end))
        numbers = sum(_count(segment) for segment in segments if learnt(segment.tensor)) * len(self._slots)
        return numbers * DType.F64.itemsize + len(self._header_if_first())

    def combine(self, state: bytes | None) -> Produced:
        """Combine what was offered.

        Args:
            state: The next bytes of the old state, as many as ``offer`` said; ``None`` if there is none.

        Raises:
            BodyFailed: An update holds impossible numbers.
            Invalid: A tensor's reduction is unknown, or a result does not fit.
            Integrity: The old state is that of another model or strategy.
        """
        header = self._header_if_first()
        old = None if state is None else memoryview(state)
        if old is not None:
            if old[: len(header)] != header:
                raise Integrity("the state is that of another strategy or model", code="strategy.state")
            old = old[len(header) :]
        new = bytearray(header)
        chunks = []
        for row in self._ready:
            out = bytearray(row.chunks[FIRST])
            for segment in self.layout.segments(row.begin, row.end):
                place = slice(segment.begin, segment.end)
                if not learnt(segment.tensor):
                    out[place] = self._reduce(segment, row).tobytes()
                    continue
                size = _count(segment) * len(self._slots) * DType.F64.itemsize
                values, kept = self._learn(segment, row, None if old is None else old[:size])
                old = None if old is None else old[size:]
                out[place] = values.tobytes()
                new += b"" if kept is None else kept.astype("<f8").tobytes()
            chunks.append(bytes(out))
        self._ready = []
        return Produced(chunks, bytes(new))

    def finish(self) -> None:
        """Check that the rows made up the whole body.

        Raises:
            BodyFailed: They did not.
        """
        self._rows.finish()

    def _header_if_first(self) -> bytes:
        first = bool(self._ready) and self._ready[0].begin == 0 and bool(self._slots)
        return memory.header(self.layout, self._slots) if first else b""

    def _learn(self, segment: Segment, row: Row, state: memoryview | None) -> tuple[Values, Doubles | None]:
        piece = _piece(segment, row.chunks, self._weights)
        if self._slots:
            shape = (piece.size, len(self._slots))
            old = np.empty(shape)
            old[:] = (
                list(self._strategy.slots.values()) if state is None else np.frombuffer(state, "<f8").reshape(shape)
            )
            piece = replace(piece, state=old)
        try:
            return self._strategy.combine(piece, self._chosen)
        except MusterError as error:
            raise _located(error, segment.tensor.name) from error

    def _reduce(self, segment: Segment, row: Row) -> Values:
        tensor = segment.tensor
        combined = accumulator(tensor.reduction, tensor.dtype, _count(segment), self._bound)
        updates = row.chunks[: len(self._weights)]
        for index, (chunk, weight) in enumerate(zip(updates, self._weights, strict=True)):
            try:
                combined.add(_values(segment, chunk), weight)
            except MusterError as error:
                raise _located(BodyFailed(index, error), tensor.name) from error
        return combined.result()


def _piece(segment: Segment, chunks: Sequence[bytes], weights: Sequence[int]) -> Piece:
    values = [_values(segment, chunk) for chunk in chunks]
    updates = len(weights)
    previous = values[updates] if len(values) > updates else None
    return Piece(segment.tensor.dtype, values[:updates], weights, previous, tensor=segment.tensor.name)


def _values(segment: Segment, chunk: bytes) -> Values:
    return np.frombuffer(chunk, STORAGE[segment.tensor.dtype], _count(segment), segment.begin)


def _count(segment: Segment) -> int:
    return (segment.end - segment.begin) // segment.tensor.dtype.itemsize


def _located(error: MusterError, tensor: str) -> MusterError:
    if isinstance(error, BodyFailed):
        return BodyFailed(error.index, _located(error.reason, tensor))
    return type(error)(f"tensor {tensor!r}: {error.message}", code=error.code)
