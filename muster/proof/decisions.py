"""Proves what the coordinator made of scores: decides again, from the log alone, and compares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bus.events import Event
from bus.events.callbacks import ModelChosen, RateReduced, StoppedEarly
from bus.events.cycles import CycleKind, CycleOpened
from bus.events.experiments import ExperimentCompleted
from bus.wire.record import Record
from coordinator.domain.callbacks import called_for, trained
from coordinator.domain.evolve import ACTOR
from coordinator.domain.recall import states
from coordinator.domain.state import Experiment


@dataclass(frozen=True)
class Redecided:
    """One decision that scores led to, or should have led to.

    Attributes:
        cycle: Number of the newest training cycle at that time.
        said: What the log says; something else where a decision is missing.
        found: What follows from the log; ``None`` for nothing.
    """

    cycle: int
    said: Event
    found: Event | None

    @property
    def equal(self) -> bool:
        """Whether that is what was said."""
        return self.found == self.said


def redecided(records: Iterable[Record]) -> Iterator[Redecided]:
    """Every decision that scores of an experiment's global models led to, and every one that is missing.

    What follows of decisions is looked at too: the learning rate of a cycle that opens, and the model in the end.

    Args:
        records: All events of the experiment, in order.
    """
    for record, before, _ in states(records):
        body = record.body
        if before is None or record.actor != ACTOR or record.owner != before.owner or not isinstance(body, Event):
            continue
        if isinstance(body, StoppedEarly | RateReduced | ModelChosen):
            yield Redecided(trained(before), body, called_for(before))
        elif isinstance(body, CycleOpened | ExperimentCompleted):
            found = called_for(before) or _followed(before, body)
            if found != body:
                yield Redecided(trained(before), body, found)


def _followed(before: Experiment, body: CycleOpened | ExperimentCompleted) -> Event:
    """What should have been said in the place of ``body``, as far as decisions before it go."""
    if isinstance(body, ExperimentCompleted):
        return body.model_copy(update={"model": before.model})
    training = body.cycle.kind is CycleKind.TRAIN
    evaluating = body.cycle.kind is CycleKind.EVALUATE
    factor, model = before.rate_factor if training else 1.0, before.model if evaluating else body.model
    return body.model_copy(update={"rate_factor": factor, "model": model})
