"""A first look at updates that have members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aggregator.domain.admission import RUN_BYTES, Admission
from aggregator.domain.combine import located, piece_of
from aggregator.domain.memory import learnt
from aggregator.domain.strategies.protocol import Survey
from bus.errors import Invalid, MusterError
from bus.weights.combining import Produced
from bus.weights.layout import Layout, Segment
from bus.weights.uniting import Step


class UniterSurveyor:
    """Lets a survey see what is learnt, run by run.

    Args:
        survey: Of a strategy.
        weights: Of each update, in the order of the closing.
        run_bytes: As in ``Admission``.
    """

    def __init__(self, survey: Survey, weights: Sequence[int], run_bytes: int = RUN_BYTES) -> None:
        self._survey = survey
        self._weights = tuple(weights)
        self._admission = Admission(len(self._weights), range(len(self._weights)), run_bytes)

    def admit(self, layout: Layout) -> None:
        """See ``Uniting``."""
        self._admission.admit(layout)

    def steps(self) -> Iterator[Step]:
        """See ``Uniting``.

        Raises:
            Invalid: There is nothing to look at.
        """
        tensors = self._admission.layout().tensors
        if not any(learnt(tensor) for tensor in tensors):
            raise Invalid(
                "the strategy chooses among updates by what is averaged in them, and here nothing is, only joined: "
                "choose another strategy, e.g. fedavg",
                code="strategy.learnt",
            )
        return self._admission.steps(tensors)

    def unite(self, step: Step, read: Sequence[bytes], state: bytes | None) -> Produced:
        """See ``Uniting``; nothing is produced."""
        del state
        if step.tensor is not None and learnt(step.tensor):
            try:
                self._survey.take(piece_of(Segment(step.tensor, 0, len(read[0])), read, self._weights))
            except MusterError as error:
                raise located(error, step.tensor.name) from error
        return Produced(())

    def finish(self) -> None:
        """See ``Uniting``."""

    def choose(self) -> tuple[int, ...]:
        """Indices of the updates that count."""
        return self._survey.choose()
