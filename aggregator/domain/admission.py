"""Bodies with members: which go together, how many members the outcome has, and in which steps it is made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bus.errors import Integrity, Invalid
from bus.weights.growth import grown
from bus.weights.layout import Layout, Tensor
from bus.weights.members import MOST
from bus.weights.uniting import Step

RUN_BYTES: Final = 512 * 1024
"""Bytes of each body in one step, as in a chunk."""


class Admission:
    """Takes the layouts of the bodies in; plans the outcome.

    Args:
        updates: How many bodies are updates; they come first. One more may follow: the last global model.
        chosen: Indices of the updates whose members count.
        run_bytes: Bytes of each body in one step; a multiple of 8.
    """

    def __init__(self, updates: int, chosen: Sequence[int], run_bytes: int = RUN_BYTES) -> None:
        self._updates = updates
        self.chosen = tuple(chosen)
        self._run_bytes = run_bytes
        self._first: Layout | None = None
        self._members: list[Mapping[str, int]] = []

    def admit(self, layout: Layout) -> None:
        """Take the next body's layout.

        Raises:
            Integrity: It does not go together with the first.
            Invalid: It has no members, or could not be written again.
        """
        if self._first is None:
            if not layout.members:
                raise Invalid("it has no members, unlike its event says", code="weights.members")
            # Whatever is wrong with its names is to be found now, while it is clear whose fault that is.
            self._first = grown(layout, layout.members)
        if layout.digest != self._first.digest:
            raise Integrity("its tensors differ in name, type, shape or order", code="weights.layout")
        self._members.append(layout.members)

    @property
    def before(self) -> Mapping[str, int]:
        """Group -> members of the last global model; 0 of each if there is none."""
        return self._members[-1] if self._last else dict.fromkeys(self._members[0], 0)

    @property
    def added(self) -> dict[str, dict[int, int]]:
        """Group -> index of a chosen update -> members that it adds."""
        return {group: {index: self._members[index][group] for index in self.chosen} for group in self._members[0]}

    def layout(self) -> Layout:
        """Of the outcome: the last global model's members, then those of the chosen updates, in order.

        Raises:
            Invalid: There are too many of them.
        """
        assert self._first is not None
        total = {group: self.before[group] + sum(added.values()) for group, added in self.added.items()}
        for group, members in total.items():
            if members > MOST:
                raise Invalid(f"the group {group!r} would have {members} members, at most {MOST}", code="members.size")
        return grown(self._first, total)

    @property
    def nothing(self) -> tuple[int, ...]:
        """No byte of any body."""
        return (0,) * len(self._members)

    def steps(self, tensors: Sequence[Tensor]) -> Iterator[Step]:
        """What to read for the outcome's tensors, in file order."""
        for tensor in tensors:
            if tensor.group is None:
                for size in self._cut(tensor.end - tensor.begin):
                    yield Step(tensor, None, (size,) * len(self._members))
                continue
            member_bytes = math.prod(tensor.shape[1:]) * tensor.dtype.itemsize
            for index in (*self._last, *range(self._updates)):
                for size in self._cut(self._members[index][tensor.group] * member_bytes):
                    yield Step(tensor, index, self._only(index, size))

    @property
    def _last(self) -> range:
        """Indices of the last global model: one or none."""
        return range(self._updates, len(self._members))

    def _only(self, index: int, size: int) -> tuple[int, ...]:
        return tuple(size if each == index else 0 for each in range(len(self._members)))

    def _cut(self, size: int) -> Iterator[int]:
        for begin in range(0, size, self._run_bytes):
            yield min(self._run_bytes, size - begin)
