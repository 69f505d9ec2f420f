"""Combining updates with members: what has members is joined, everything else is combined as ever, run by run.

The outcome's members are those of the last global model, then the new ones of each update in the order of the closing.
Example counts do not weigh them. None is lost and none is made: that is checked before anything is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from aggregator.domain import memory
from aggregator.domain.admission import RUN_BYTES, Admission
from aggregator.domain.combine import Combiner, located
from aggregator.domain.formats import FLOATS, STORAGE
from aggregator.domain.strategies.mean import Mean
from aggregator.domain.strategies.protocol import Strategy
from bus.errors import Integrity, Invalid
from bus.weights.combining import Produced
from bus.weights.layout import Layout, Segment, Tensor
from bus.weights.lockstep import BodyFailed
from bus.weights.uniting import Step


class Uniter:
    """Turns bodies with members into one. Holds a run of each at a time.

    Args:
        weights: Of each update, in the order of the closing.
        strategy: What to make of the tensors that are learnt.
        chosen: The updates that its survey chose: only they add members; all, if it has none.
        run_bytes: As in ``Admission``.
        most_bytes: Largest outcome allowed; ``None`` for no limit.
    """

    def __init__(
        self,
        weights: Sequence[int],
        strategy: Strategy | None = None,
        chosen: Sequence[int] | None = None,
        *,
        run_bytes: int = RUN_BYTES,
        most_bytes: int | None = None,
    ) -> None:
        self._updates = len(weights)
        self._strategy = strategy or Mean()
        self._slots = tuple(self._strategy.slots)
        self._combiner = Combiner(weights, self._strategy, chosen)
        self._admission = Admission(self._updates, range(self._updates) if chosen is None else chosen, run_bytes)
        self._most_bytes = most_bytes
        self._layout: Layout | None = None
        self._joined: Counter[str] = Counter()

    @property
    def layout(self) -> Layout:
        """Of the outcome; known once the first step is made.

        Raises:
            Invalid: It is not yet.
        """
        if self._layout is None:
            raise Invalid("the weights end within their header", code="weights.format")
        return self._layout

    @property
    def state_bytes(self) -> int:
        """Size of the whole state; 0 if the strategy keeps none."""
        return memory.size_bytes(self.layout, self._slots) if self._slots else 0

    @property
    def added(self) -> dict[str, dict[int, int]]:
        """Group -> index of an update whose members count -> how many it adds."""
        return self._admission.added

    def admit(self, layout: Layout) -> None:
        """See ``Uniting``."""
        self._admission.admit(layout)

    def steps(self) -> Iterator[Step]:
        """See ``Uniting``; first the headers, then the tensors."""
        self._layout = self._admission.layout()
        self._check_size(self._layout)
        header = memory.header(self._layout, self._slots) if self._slots else b""
        yield Step(None, None, self._admission.nothing, len(header))
        for step in self._admission.steps(self._layout.tensors):
            assert step.tensor is not None
            state = (
                0 if step.whose is not None else self._combiner.state_bytes_of(Segment(step.tensor, 0, step.sizes[0]))
            )
            yield Step(step.tensor, step.whose, step.sizes, state)

    def unite(self, step: Step, read: Sequence[bytes], state: bytes | None) -> Produced:
        """Work on a step.

        Args:
            step: One of ``steps``, in order.
            read: Of each body, as many bytes as it says.
            state: Of the old state; ``None`` if there is none.

        Raises:
            BodyFailed: An update holds impossible numbers.
            Invalid: A tensor's reduction is unknown, or a result does not fit.
            Integrity: The old state is that of another model or strategy.
        """
        if step.tensor is None:
            return self._headers(state)
        if step.whose is not None:
            return self._members(step.tensor, step.whose, read[step.whose])
        bodies = read if self._strategy.needs_previous else read[: self._updates]
        old = None if state is None else memoryview(state)
        values, kept = self._combiner.run(Segment(step.tensor, 0, len(read[0])), bodies, old)
        return Produced((values.tobytes(),), b"" if kept is None else kept.astype("<f8").tobytes())

    def finish(self) -> None:
        """Check conservation: as many members came out as went in, in every tensor.

        Raises:
            Integrity: They did not.
        """
        for tensor in self.layout.tensors:
            wanted = tensor.end - tensor.begin
            if tensor.group is not None and self._joined[tensor.name] != wanted:
                found = self._joined[tensor.name]
                raise Integrity(
                    f"tensor {tensor.name!r} should have {wanted} bytes of members, and {found} were joined",
                    code="members.lost",
                )

    def _check_size(self, layout: Layout) -> None:
        if self._most_bytes is None or layout.size_bytes <= self._most_bytes:
            return
        before, added = self._admission.before, {group: sum(each.values()) for group, each in self.added.items()}
        groups = "; ".join(f"group {group!r}: {before[group]} members and {added[group]} new ones" for group in added)
        raise Invalid(
            f"the model would have {layout.size_bytes} bytes, and limits.disk_bytes of the plan allows "
            f"{self._most_bytes} ({groups}): add fewer members per cycle, run fewer cycles, or raise the limit",
            code="members.size",
        )

    def _headers(self, state: bytes | None) -> Produced:
        ours = memory.header(self.layout, self._slots) if self._slots else b""
        if state is not None and state != ours:
            raise Integrity("the state is that of another strategy or model", code="strategy.state")
        return Produced((self.layout.header,), ours)

    def _members(self, tensor: Tensor, whose: int, data: bytes) -> Produced:
        if whose == self._updates:
            self._joined[tensor.name] += len(data)
            return Produced((data,))
        if tensor.dtype in FLOATS:
            values, form = np.frombuffer(data, STORAGE[tensor.dtype]), FLOATS[tensor.dtype]
            try:
                form.span(values, np.empty(values.size, form.pattern))
            except Invalid as error:
                raise located(BodyFailed(whose, error), tensor.name) from error
        if whose not in self._admission.chosen:
            return Produced(())
        self._joined[tensor.name] += len(data)
        return Produced((data,))
