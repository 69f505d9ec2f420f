"""Rows of chunks, checked and placed: row k holds chunk k of every body, all of one layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bus.errors import Integrity, Invalid
from bus.weights.layout import Layout, header_bytes, parse
from bus.weights.lockstep import BodyFailed

FIRST: Final = 0


@dataclass(frozen=True, slots=True)
class Row:
    """Chunks at one place.

    Attributes:
        begin: Offset of their first byte in the bodies.
        chunks: Of each body, all of one length.
    """

    begin: int
    chunks: Sequence[bytes]

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.begin + len(self.chunks[FIRST])


class Rows:
    """Takes chunks in; gives rows out once the header is known. Holds nothing but the rows of the header until then."""

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._early: list[Sequence[bytes]] = []
        self._offset = 0

    @property
    def layout(self) -> Layout:
        """Of all bodies; known once the header has been seen.

        Raises:
            Invalid: The bodies ended before that.
        """
        if self._layout is None:
            raise Invalid("the weights end within their header", code="weights.format")
        return self._layout

    def take(self, chunks: Sequence[bytes]) -> list[Row]:
        """The rows that can be worked on now: one, except around a header of several chunks.

        Raises:
            BodyFailed: One body differs from the first in its header or sizes, or the first is not a body at all.
        """
        _check_sizes(chunks)
        self._early.append(chunks)
        if self._layout is None:
            self._layout = self._read_header()
        if self._layout is None:
            return []
        early, self._early = self._early, []
        return [self._placed(each) for each in early]

    def finish(self) -> None:
        """Check that the rows made up the whole body.

        Raises:
            BodyFailed: They did not.
        """
        if self._layout is None or self._offset != self._layout.size_bytes:
            # All have the same header and the same length, so the first is as wrong as the others.
            found = Invalid(f"it ends at byte {self._offset}, unlike its header says", code="weights.format")
            raise BodyFailed(FIRST, found)

    def _read_header(self) -> Layout | None:
        start = b"".join(chunks[FIRST] for chunks in self._early)
        try:
            size = header_bytes(start)
            layout = parse(start[:size]) if len(start) >= size else None
        except Invalid as error:
            raise BodyFailed(FIRST, error) from error
        if layout is not None and layout.members:
            found = Integrity("it has members that its event does not tell of", code="weights.members")
            raise BodyFailed(FIRST, found)
        return layout

    def _placed(self, chunks: Sequence[bytes]) -> Row:
        row = Row(self._offset, chunks)
        size = max(0, min(row.end, len(self.layout.header)) - row.begin)
        for index, chunk in enumerate(chunks):
            if chunk[:size] != chunks[FIRST][:size]:
                found = Integrity("its tensors differ in name, type, shape or order", code="weights.layout")
                raise BodyFailed(index, found)
        self._offset = row.end
        return row


def _check_sizes(chunks: Sequence[bytes]) -> None:
    for index, chunk in enumerate(chunks):
        if len(chunk) != len(chunks[FIRST]):
            found = Invalid(
                f"a chunk has {len(chunk)} bytes where others have {len(chunks[FIRST])}", code="weights.layout"
            )
            raise BodyFailed(index, found)
