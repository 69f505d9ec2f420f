"""Everything that the coordinator knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from pydantic import TypeAdapter

from bus.events.base import ExperimentId
from bus.events.datasets import DatasetRegistered
from bus.events.experiments import Origin, QueueReported
from bus.events.principals import EdgeAppeared, EdgeLapsed
from bus.wire.decision import Decision
from bus.wire.record import Record
from coordinator.domain.decide import blocked, decide, waits_for_place
from coordinator.domain.evolve import evolve, evolve_fleet
from coordinator.domain.forks import forked
from coordinator.domain.keeper import Keeper, Kept
from coordinator.domain.orders import to_cancel
from coordinator.domain.queue import Place, queue, running
from coordinator.domain.recall import Recalled
from coordinator.domain.state import Experiment, Fleet, Phase

PLACES: Final = 2
"""Experiments that an edge takes part in at once, unless the settings say otherwise."""


@dataclass(frozen=True)
class _Content:
    """What a snapshot of a world holds."""

    position: int
    experiments: dict[str, Experiment]
    fleet: Fleet
    over: list[str]
    forgotten: set[str]
    kept: Kept


_CONTENT: Final = TypeAdapter(_Content)


class World:
    """Experiments and fleet, folded up to ``position`` of the event stream.

    Args:
        places: Experiments that an edge takes part in at once.
        remember: Keep experiments that are over. One who decides need not: of those it keeps the ids, so that what it
            holds does not grow with the history. What it has to know of one of them later, it is told (``recall``).
    """

    FORM: ClassVar[str] = "coordinator 7"

    def __init__(self, places: int = PLACES, *, remember: bool = True) -> None:
        self._places = places
        self._remember = remember
        self._recalled: Recalled | None = None
        self._over: list[str] = []
        self._forgotten: set[str] = set()
        self.experiments: dict[str, Experiment] = {}
        self.fleet = Fleet()
        self.keeper = Keeper()
        self.position = 0

    def recall(self, experiment: Recalled | None) -> None:
        """Be told of an experiment that the next record refers to: it may have been forgotten."""
        self._recalled = experiment

    def fold(self, record: Record) -> Iterable[str]:
        """Take in ``record``; returns the experiments about which there may be something new to decide."""
        touched = list(self._fold(record))
        about = self.experiments.get(getattr(record.body, "experiment", ""))
        return [*touched, *(key for key in self.keeper.fold(record, about) if key not in touched)]

    def _fold(self, record: Record) -> Iterable[str]:
        self.position = record.sequence
        self._forget(record.stored_at)
        body = record.body
        if isinstance(body, EdgeAppeared | EdgeLapsed | DatasetRegistered):
            self.fleet = evolve_fleet(self.fleet, record)
            return self._live()
        identity: ExperimentId | None = getattr(body, "experiment", None)
        if identity is None or identity in self._forgotten:
            return []
        before = self.experiments.get(identity)
        changed = evolve(before, record, self.fleet)
        if changed is None:
            return []
        if before is None and changed.spec.origin is not None:
            changed = self._forked(changed, changed.spec.origin)
        self.experiments[identity] = changed
        if changed.phase.final and not (before and before.phase.final):
            self._over.append(identity)
        if before is not None and running(before) != running(changed):
            # Room was made or taken: everybody who waits for some is to be looked at.
            return [identity, *(key for key in self.queue() if key != identity)]
        return [identity]

    def _forked(self, experiment: Experiment, origin: Origin) -> Experiment:
        told, self._recalled = self._recalled, None
        if told is not None and told.experiment.id == origin.experiment:
            return forked(experiment, origin, told.experiment, told.closings.get(origin.cycle))
        return forked(experiment, origin, self.experiments.get(origin.experiment), None)

    def _forget(self, now: datetime) -> None:
        """Let go of what is over, as soon as no edge is to be told any more."""
        if self._remember:
            return
        kept = []
        for identity in self._over:
            experiment = self.experiments[identity]
            if experiment.ended_at is None or to_cancel(experiment, now):
                kept.append(identity)
            else:
                del self.experiments[identity]
                self._forgotten.add(identity)
        self._over = kept

    def dump(self) -> bytes:
        """Everything that it knows, as JSON."""
        return _CONTENT.dump_json(
            _Content(self.position, self.experiments, self.fleet, self._over, self._forgotten, self.keeper.kept)
        )

    def restore(self, content: bytes) -> None:
        """Know what was dumped.

        Raises:
            ValueError: It cannot be read.
        """
        found = _CONTENT.validate_json(content)
        self.position, self.experiments, self.fleet = found.position, found.experiments, found.fleet
        self._over, self._forgotten = found.over, found.forgotten
        self.keeper = Keeper(found.kept)

    def open(self) -> list[str]:
        """Experiments that are not over, those whose edges may not know it yet, and those of which weights are kept."""
        live = self._live()
        return [*live, *(key for key in self.keeper.holdings if key not in live)]

    def _live(self) -> list[str]:
        return [e.id for e in self.experiments.values() if not e.phase.final or e.cycle is not None]

    def decide(self, entity_id: str, now: datetime) -> Decision | None:
        """What is to be said next about an experiment."""
        experiment = self.experiments.get(entity_id)
        event = None
        if experiment is not None:
            event = decide(experiment, self.fleet, now, self.queue().get(experiment.id))
        if experiment is None or event is None:
            # What goes is never in a hurry.
            return self.keeper.decide(ExperimentId(entity_id), now)
        return Decision(event, experiment.owner, experiment.strand)

    def queue(self) -> dict[ExperimentId, Place]:
        """Where the experiments stand that wait for nothing but room."""
        found = ((e.id, waits_for_place(e, self.fleet)) for e in self.experiments.values())
        able = {key: edges for key, edges in found if edges is not None}
        return queue(self.experiments.values(), able, self._places) if able else {}

    def waits_for(self, experiment: ExperimentId) -> QueueReported:
        """What an experiment in the queue waits for; no reason if it is not in it."""
        found = self.experiments[experiment]
        report = QueueReported(experiment=experiment)
        if found.phase is not Phase.QUEUED:
            return report
        place = self.queue().get(experiment)
        if place is None:
            return report.model_copy(update={"reason": blocked(found, self.fleet) or ""})
        reason = f"place {place.position} in the queue"
        if place.full:
            reason += f": no room at {', '.join(place.full)}, which take part in {self._places} experiments at once"
        return report.model_copy(update={"position": place.position, "reason": reason})

    def deadlines(self) -> dict[ExperimentId, datetime]:
        """When something is to be decided even if nothing happens."""
        found = {e.id: e.deadline for e in self.experiments.values()}
        return self.keeper.ages | {key: at for key, at in found.items() if at is not None}
