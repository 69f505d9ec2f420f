"""What the coordinator knows about kept weights: one holding for each experiment that ever was, and the rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from bus.events import Event
from bus.events.base import ExperimentId
from bus.events.callbacks import StoppedEarly
from bus.events.custody import KeepingRuled, PurgeRequested, WeightsReleased
from bus.events.experiments import (
    ExperimentAborted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentRefused,
    ExperimentSubmitted,
)
from bus.wire.decision import Decision
from bus.wire.record import Record
from coordinator.domain.custody import Holding, Rule, ages_at, holding, of_fork, release, released, without
from coordinator.domain.evolve import ACTOR
from coordinator.domain.state import Experiment
from coordinator.domain.watch import result_so_far

_ENDS: Final = (ExperimentRefused, ExperimentAborted, ExperimentFailed, ExperimentCompleted)


@dataclass(frozen=True)
class Kept:
    """What a snapshot holds of it."""

    rule: Rule = field(default_factory=Rule)
    holdings: dict[ExperimentId, Holding] = field(default_factory=dict)


class Keeper:
    """Folds what is said about experiments into holdings.

    Args:
        kept: What was known before.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        kept = kept or Kept()
        self.rule = kept.rule
        self.holdings: dict[ExperimentId, Holding] = {}
        self.ages: dict[ExperimentId, datetime] = {}
        """When age lets something go, for those of which anything is left then."""
        for held in kept.holdings.values():
            self._note(held)

    @property
    def kept(self) -> Kept:
        """For a snapshot."""
        return Kept(self.rule, self.holdings)

    def fold(self, record: Record, about: Experiment | None) -> Iterable[ExperimentId]:
        """Take in ``record``; returns the experiments of which more may be let go now.

        Args:
            record: What was said.
            about: Its experiment after it, as far as that is remembered.
        """
        body = record.body
        if isinstance(body, KeepingRuled):
            self.rule = Rule(body.keep, body.last, body.days)
            for each in list(self.holdings.values()):
                self._note(each)
            return list(self.holdings)
        if isinstance(body, ExperimentSubmitted) and body.experiment not in self.holdings:
            self._submitted(holding(record.owner, body))
            return []
        held = self.holdings.get(getattr(body, "experiment", ExperimentId("")))
        if held is None or held.owner != record.owner or not isinstance(body, Event):
            return []
        changed = _evolve(held, record, about)
        if changed is held:
            return []
        self._note(changed)
        ended = changed.over is not None and held.over is None and held.origin is not None
        return [held.id, *(self._forget_fork(held.id) if ended else [])]

    def decide(self, identity: ExperimentId, now: datetime) -> Decision | None:
        """What is to be let go of an experiment."""
        held = self.holdings.get(identity)
        event = None if held is None else release(held, self.rule, now)
        return None if held is None or event is None else Decision(event, held.owner, held.strand)

    def _note(self, held: Holding) -> None:
        self.holdings[held.id] = held
        at = ages_at(held, self.rule)
        if at is not None and release(held, self.rule, at) is not None:
            self.ages[held.id] = at
        else:
            self.ages.pop(held.id, None)

    def _submitted(self, held: Holding) -> None:
        self._note(held)
        for parent, needed, cycle in list(of_fork(self.holdings, held)):
            needs, origins = {**parent.needs, held.id: needed}, parent.origins | {cycle}
            self._note(replace(parent, needs=needs, origins=origins))

    def _forget_fork(self, fork: ExperimentId) -> list[ExperimentId]:
        changed = list(without(self.holdings.values(), fork))
        for held in changed:
            self._note(held)
        return [held.id for held in changed]


def _evolve(held: Holding, record: Record, about: Experiment | None) -> Holding:
    """A holding after ``record``, which is about its experiment; the same object if that says nothing about it."""
    body = record.body
    if record.actor == ACTOR:
        held = replace(held, strand=record.sequence)
    if about is not None and about.started:
        result = result_so_far(about.watch, about.spec.callbacks)
        if (about.step, result) != (held.step, held.result):
            held = replace(held, step=about.step, result=result)
    match body:
        case StoppedEarly():
            return replace(held, cycles=body.cycle)
        case PurgeRequested():
            return replace(held, asked=Rule(body.keep, body.last))
        case WeightsReleased():
            return released(held, body)
        case _ if isinstance(body, _ENDS):
            return replace(held, over=record.stored_at)
        case _:
            return held
