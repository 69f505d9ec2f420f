"""Everything that the coordinator knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bus.events.base import ExperimentId
from bus.events.datasets import DatasetRegistered
from bus.events.principals import EdgeAppeared, EdgeLapsed
from bus.wire.decision import Decision
from bus.wire.record import Record
from coordinator.domain.decide import decide
from coordinator.domain.evolve import evolve, evolve_fleet
from coordinator.domain.state import Experiment, Fleet


class World:
    """Experiments and fleet, folded up to ``position`` of the event stream."""

    def __init__(self) -> None:
        self.experiments: dict[str, Experiment] = {}
        self.fleet = Fleet()
        self.position = 0

    def fold(self, record: Record) -> Iterable[str]:
        """Take in ``record``; returns the experiments about which there may be something new to decide."""
        self.position = record.sequence
        body = record.body
        if isinstance(body, EdgeAppeared | EdgeLapsed | DatasetRegistered):
            self.fleet = evolve_fleet(self.fleet, record)
            return self.open()
        identity: ExperimentId | None = getattr(body, "experiment", None)
        if identity is None:
            return []
        changed = evolve(self.experiments.get(identity), record, self.fleet)
        if changed is None:
            return []
        self.experiments[identity] = changed
        return [identity]

    def open(self) -> list[str]:
        """Experiments that are not over."""
        return [e.id for e in self.experiments.values() if not e.phase.final]

    def decide(self, entity_id: str, now: datetime) -> Decision | None:
        """What is to be said next about an experiment."""
        experiment = self.experiments[entity_id]
        event = decide(experiment, self.fleet, now)
        return None if event is None else Decision(event, experiment.owner, experiment.strand)

    def awaiting(self) -> list[Experiment]:
        """Experiments whose cycle may still expire."""
        return [
            e
            for e in self.experiments.values()
            if e.cycle is not None and not e.cycle.expired and not e.cycle.closed and not e.phase.final
        ]
