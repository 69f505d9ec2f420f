"""What the coordinator knows: experiments and the fleet of edges. Frozen; grows by ``evolve`` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bus.events.base import DatasetId, ExperimentId, MessageId, OwnerId, PrincipalId
from bus.events.cycles import Cycle, CycleClosed, CycleKind, Source
from bus.events.datasets import DatasetRegistered
from bus.events.experiments import ExperimentSubmitted, Failure
from bus.events.weights import FederatedScore, SealedObject
from coordinator.domain.schedule import preparing, schedule
from coordinator.domain.watch import Watch

MAX_TRIALS: Final = 3
"""How often one edge may try its part of one cycle."""


class Phase(StrEnum):
    """Where an experiment stands."""

    SUBMITTED = "submitted"
    REFUSED = "refused"
    QUEUED = "queued"
    RUNNING = "running"
    AVERAGING = "averaging"
    PAUSED = "paused"
    STOPPED = "stopped"
    ABORTED = "aborted"
    FAILED = "failed"
    COMPLETED = "completed"

    @property
    def final(self) -> bool:
        """Whether nothing can change it any more."""
        return self in {Phase.REFUSED, Phase.ABORTED, Phase.FAILED, Phase.COMPLETED}


class Wish(StrEnum):
    """What was asked for and is not done yet."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ABORT = "abort"


@dataclass(frozen=True)
class Sealed:
    """An edge's usable answer."""

    update: MessageId
    examples: int


@dataclass(frozen=True)
class Failed:
    """An edge's answer that it could not.

    Attributes:
        failure: Why.
        trials: How often it tried in this cycle.
        final: It will not try again in this cycle.
        lasting: Nor would it help in another attempt.
    """

    failure: Failure
    trials: int
    final: bool
    lasting: bool


Answer = Sealed | Failed


@dataclass(frozen=True)
class OpenCycle:
    """A cycle under way.

    Attributes:
        cycle: Which.
        opened: Id of the event that opened it.
        cohort: Edges that take part.
        quorum: Least number of usable updates.
        deadline: When the wait for the edges is over; once it is closed, that for the aggregator.
        model: What the workers start from.
        awaited: Edges that may still answer.
        answers: What the edges said so far.
        lost: Edges whose part cannot count any more: they cannot do it, or it was rejected.
        expired: Whether the deadline was noted in the log.
        closed: The last closing; ``None`` while answers are awaited.
        rejected: Edges whose updates the aggregator could not use, with the reason.
        source: Where the updates come from, if they are averaged anew.
        rate_factor: What the edges multiply the plan's learning rate with.
    """

    cycle: Cycle
    opened: MessageId
    cohort: tuple[PrincipalId, ...]
    quorum: int
    deadline: datetime
    model: SealedObject | None
    awaited: frozenset[PrincipalId]
    answers: Mapping[PrincipalId, Answer] = field(default_factory=dict)
    lost: frozenset[PrincipalId] = frozenset()
    expired: bool = False
    closed: CycleClosed | None = None
    rejected: Mapping[PrincipalId, Failure] = field(default_factory=dict)
    source: Source | None = None
    rate_factor: float = 1.0

    @property
    def usable(self) -> dict[PrincipalId, Sealed]:
        """Updates that can count, by edge in alphabetical order."""
        return {
            edge: answer
            for edge, answer in sorted(self.answers.items())
            if isinstance(answer, Sealed) and edge not in self.rejected
        }

    def answered(self, edge: PrincipalId, answer: Answer) -> OpenCycle:
        """The cycle after an answer."""
        answers = {**self.answers, edge: answer}
        if isinstance(answer, Sealed):
            return replace(self, answers=answers, awaited=self.awaited - {edge})
        if answer.final:
            return replace(self, answers=answers, awaited=self.awaited - {edge}, lost=self.lost | {edge})
        return replace(self, answers=answers)

    def without(self, edge: PrincipalId, failure: Failure) -> OpenCycle:
        """The cycle once an update was rejected."""
        return replace(self, rejected={**self.rejected, edge: failure}, lost=self.lost | {edge})


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        id: Its id.
        owner: The vendor whose business it is.
        vendor: The principal that submitted it.
        spec: What was submitted.
        phase: Where it stands.
        started: Whether it ever left the queue.
        step: Index of the next cycle in its schedule.
        attempts: How often the cycle of that step was abandoned.
        cycle: The cycle under way.
        abandoned: Why the last attempt was abandoned; ``None`` once a cycle succeeded.
        model: The newest outcome: summed statistics, then the global model.
        models: Number of a training cycle -> its global model; 0 -> the first one.
        state: What the strategy kept after the newest training cycle.
        states: Number of a training cycle -> what the strategy kept after it, if it keeps anything.
        counted: Edge -> the last update of its training that went into a global model.
        inherited: For a fork that averages a cycle anew: how that cycle was closed.
        scores: Of the newest outcome.
        watch: How the scores went that decide something, and what was decided.
        wish: What was asked for last and is not done yet; to resume what runs is done already.
        wish_reason: Why.
        held: Reasons of the policy engine; no cycle opens while there are any.
        turn: Counts the coordinator's pauses, resumptions and stops.
        strand: Sequence of the coordinator's last words about it: the guard of the next.
        since: When it came to be between two cycles.
        ended_at: When it reached its last phase.
    """

    id: ExperimentId
    owner: OwnerId
    vendor: PrincipalId
    spec: ExperimentSubmitted
    phase: Phase = Phase.SUBMITTED
    started: bool = False
    step: int = 0
    attempts: int = 0
    cycle: OpenCycle | None = None
    abandoned: Failure | None = None
    model: SealedObject | None = None
    models: Mapping[int, SealedObject] = field(default_factory=dict)
    state: SealedObject | None = None
    states: Mapping[int, SealedObject] = field(default_factory=dict)
    counted: Mapping[PrincipalId, MessageId] = field(default_factory=dict)
    inherited: CycleClosed | None = None
    scores: tuple[FederatedScore, ...] = ()
    watch: Watch = field(default_factory=Watch)
    wish: Wish | None = None
    wish_reason: str = ""
    held: tuple[str, ...] = ()
    turn: int = 0
    strand: int = 0
    since: datetime | None = None
    ended_at: datetime | None = None

    @property
    def deadline(self) -> datetime | None:
        """When waiting ends: for edges, for the aggregator, for a cycle to open; ``None`` in the queue and at rest."""
        if self.phase.final:
            return None
        if self.cycle is not None:
            return None if self.cycle.expired and self.cycle.closed is None else self.cycle.deadline
        return self.since + timedelta(seconds=self.spec.deadline_s) if self.since is not None else None

    @property
    def quorum(self) -> int:
        """Least number of edges that a cycle needs."""
        return self.spec.quorum or len(self.spec.recipients)

    @property
    def last_cycle(self) -> int:
        """Number of its last training cycle."""
        return self.spec.cycles if self.watch.stopped is None else self.watch.stopped

    @property
    def steps(self) -> tuple[Cycle, ...]:
        """All of its cycles, in order, as far as they are decided: a result that is not the last model is evaluated."""
        steps = schedule(self.last_cycle, self.spec.data.passes)
        if self.watch.chosen in {None, self.last_cycle}:
            return steps
        return (*steps, Cycle(number=self.watch.chosen, kind=CycleKind.EVALUATE))

    @property
    def rate_factor(self) -> float:
        """What edges multiply the plan's learning rate with in the next training cycle."""
        return self.watch.factor_after(self.last_cycle)

    @property
    def anew(self) -> bool:
        """Whether its next cycle is one whose updates are there already."""
        origin = self.spec.origin
        return origin is not None and origin.anew and self.step == preparing(self.spec.data.passes) + origin.cycle - 1

    @property
    def global_model(self) -> SealedObject | None:
        """The newest global model; ``None`` while it is still being prepared."""
        return self.model if self.step >= preparing(self.spec.data.passes) else None


@dataclass(frozen=True)
class Presence:
    """Whether an edge counts as live; ``turn`` counts appearances and lapses, ``strand`` guards the next word."""

    live: bool = False
    turn: int = 0
    strand: int = 0


_ABSENT: Final = Presence()


@dataclass(frozen=True)
class Fleet:
    """The edges and what data they hold."""

    presences: Mapping[PrincipalId, Presence] = field(default_factory=dict)
    datasets: Mapping[DatasetId, Mapping[PrincipalId, DatasetRegistered]] = field(default_factory=dict)

    def live_holders(self, dataset: DatasetId) -> tuple[PrincipalId, ...]:
        """Live edges that hold ``dataset``, by name."""
        holders = self.datasets.get(dataset, {})
        return tuple(edge for edge in sorted(holders) if self.presence(edge).live)

    def presence(self, edge: PrincipalId) -> Presence:
        """What is known of an edge; absent if it never appeared."""
        return self.presences.get(edge, _ABSENT)
