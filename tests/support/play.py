"""The coordinator's pure domain, and the way to let things happen to it."""

from __future__ import annotations

from bus.events import Event
from bus.events.cycles import CycleClosed, CycleOpened
from bus.events.experiments import ExperimentAdmitted, Failure
from bus.events.principals import EdgeAppeared
from bus.wire.record import Record
from coordinator.domain.state import Experiment
from coordinator.domain.world import World
from support.story import EDGES, Story, X, averaged, registered, submission, update

FAILURE = Failure(category="egress", code="weights.digest", message="torn")


class Play:
    """A world, and the way to let things happen in it."""

    def __init__(self, *, live: tuple[str, ...] = EDGES, **changes: object) -> None:
        self.story = Story()
        self.world = World()
        self.decided: list[Event] = []
        self.heard: list[Record] = []
        for edge in EDGES:
            self.hear(registered(edge), edge, "federation")
        for edge in live:
            self.hear(EdgeAppeared(edge=edge, turn=1), "coordinator", "federation")
        self.hear(submission(**changes), "acme")
        self.hear(ExperimentAdmitted(experiment=X, reasons=(), rules="r"), "policy_engine")

    @property
    def experiment(self) -> Experiment:
        return self.world.experiments[X]

    def hear(self, body: Event, by: str, owner: str = "acme") -> None:
        self.heard.append(self.story.said(body, by, owner))
        self.world.fold(self.heard[-1])

    def decide(self) -> Event | None:
        decision = self.world.decide(X, self.story.now)
        if decision is None:
            return None
        assert decision.strand == self.experiment.strand
        self.decided.append(decision.event)
        self.hear(decision.event, "coordinator")
        return decision.event

    def settle(self) -> Event | None:
        """Decide until there is nothing to decide; returns the last decision."""
        last = None
        while (event := self.decide()) is not None:
            last = event
        return last

    def opened(self) -> CycleOpened:
        event = self.settle()
        assert isinstance(event, CycleOpened), event
        return event

    def answer(self, opened: CycleOpened, *edges: str) -> None:
        for edge in edges or opened.cohort:
            self.hear(update(edge, opened.cycle), edge)

    def average(self) -> None:
        closed = self.experiment.cycle.closed  # type: ignore[union-attr]
        assert closed is not None
        self.hear(averaged(closed), "aggregator")

    def cycle(self) -> CycleOpened:
        """One whole cycle in which everybody answers."""
        opened = self.opened()
        self.answer(opened)
        assert isinstance(self.settle(), CycleClosed)
        self.average()
        return opened

    def until(self, kind: str) -> CycleOpened:
        """Run cycles up to the first one of ``kind``, which is left open."""
        while True:
            opened = self.opened()
            if opened.cycle.kind == kind:
                return opened
            self.answer(opened)
            self.settle()
            self.average()
