"""Everything that the coordinator knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from pydantic import TypeAdapter

from bus.events.base import ExperimentId
from bus.events.datasets import DatasetRegistered
from bus.events.experiments import QueueReported
from bus.events.principals import EdgeAppeared, EdgeLapsed
from bus.wire.decision import Decision
from bus.wire.record import Record
from coordinator.domain.decide import blocked, decide, waits_for_place
from coordinator.domain.evolve import evolve, evolve_fleet, forked
from coordinator.domain.queue import Place, queue, running
from coordinator.domain.state import Experiment, Fleet, Phase

PLACES: Final = 2
"""Experiments that an edge takes part in at once, unless the settings say otherwise."""


@dataclass(frozen=True)
class _Content:
    """What a snapshot of a world holds."""

    position: int
    experiments: dict[str, Experiment]
    fleet: Fleet


_CONTENT: Final = TypeAdapter(_Content)


class World:
    """Experiments and fleet, folded up to ``position`` of the event stream.

    Args:
        places: Experiments that an edge takes part in at once.
    """

    FORM: ClassVar[str] = "coordinator 1"

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
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
        before = self.experiments.get(identity)
        changed = evolve(before, record, self.fleet)
        if changed is None:
            return []
        if before is None and changed.spec.origin is not None:
            origin = changed.spec.origin
            changed = forked(changed, origin, self.experiments.get(origin.experiment))
        self.experiments[identity] = changed
        if before is not None and running(before) != running(changed):
            # Room was made or taken: everybody who waits for some is to be looked at.
            return [identity, *(key for key in self.queue() if key != identity)]
        return [identity]

    def dump(self) -> bytes:
        """Everything that it knows, as JSON."""
        return _CONTENT.dump_json(_Content(self.position, self.experiments, self.fleet))

    def restore(self, content: bytes) -> None:
        """Know what was dumped.

        Raises:
            ValueError: It cannot be read.
        """
        found = _CONTENT.validate_json(content)
        self.position, self.experiments, self.fleet = found.position, found.experiments, found.fleet

    def open(self) -> list[str]:
        """Experiments that are not over."""
        return [e.id for e in self.experiments.values() if not e.phase.final]

    def decide(self, entity_id: str, now: datetime) -> Decision | None:
        """What is to be said next about an experiment."""
        experiment = self.experiments[entity_id]
        event = decide(experiment, self.fleet, now, self.queue().get(experiment.id))
        return None if event is None else Decision(event, experiment.owner, experiment.strand)

    def queue(self) -> dict[ExperimentId, Place]:
        """Where the experiments stand that wait for nothing but room."""
        found = ((e.id, waits_for_place(e, self.fleet)) for e in self.experiments.values())
        able = {key: edges for key, edges in found if edges is not None}
        return queue(self.experiments.values(), able, self._places) if able else {}

    def waits_for(self, experiment: ExperimentId) -> QueueReported:
        """What an experiment waits for before it starts; no reason if it does not wait."""
        found = self.experiments[experiment]
        report = QueueReported(experiment=experiment)
        if found.started or found.phase is not Phase.QUEUED:
            return report
        place = self.queue().get(experiment)
        if place is None:
            return report.model_copy(update={"reason": blocked(found, self.fleet) or ""})
        reason = f"place {place.position} in the queue"
        if place.full:
            reason += f": no room at {', '.join(place.full)}, which take part in {self._places} experiments at once"
        return report.model_copy(update={"position": place.position, "reason": reason})

    def awaiting(self) -> list[Experiment]:
        """Experiments whose cycle may still expire."""
        return [
            e
            for e in self.experiments.values()
            if e.cycle is not None and not e.cycle.expired and not e.cycle.closed and not e.phase.final
        ]
