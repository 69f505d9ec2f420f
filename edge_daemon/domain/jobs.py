"""Jobs: one per command to take part in a cycle.

::

    accepted -> worked -> said
    accepted | worked -> cancelled        by the coordinator, or by a newer command about the same experiment

Each state is stored before anything follows from it, so that a daemon that is killed goes on where it was: an
accepted job is run from the start, one that was worked on is not run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from bus.events import Event
from bus.events.base import Digest, MessageId, OwnerId, PrincipalId
from bus.events.cycles import CycleKind, RunCycle, UpdateFailed, UpdateSealed
from bus.events.experiments import Failure, FailurePhase
from bus.events.strategies import KINDS
from bus.events.tallies import Tally
from bus.events.weights import Encoded, Resources, Score, SealedObject
from bus.wire.envelope import message_id
from bus.wire.record import Record
from bus.wire.subjects import EventSubject
from training.errors import Category, TrainingError
from training.plan import Training
from training.worker.config import Task


class State(StrEnum):
    """Where a job stands."""

    ACCEPTED = "accepted"
    WORKED = "worked"
    SAID = "said"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self in {State.SAID, State.CANCELLED}


class Outcome(BaseModel):
    """What came of the work; exactly one of ``failure`` and a result."""

    model_config = ConfigDict(frozen=True)

    resources: Resources
    environment: Digest
    examples: int = 0
    scores: tuple[Score, ...] = ()
    tallies: tuple[Tally, ...] = ()
    has_weights: bool = False
    encoded: Encoded | None = None
    """What is sent in the place of the weights, if they are encoded."""
    follows: MessageId | None = None
    failure: Failure | None = None
    retryable: bool = False


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        record: The command, verified.
        state: Where it stands.
        outcome: What came of it; there once it was worked on.
    """

    record: Record
    state: State
    outcome: Outcome | None = None

    @property
    def id(self) -> str:
        """Id of the command."""
        return self.record.id

    @property
    def command(self) -> RunCycle:
        """What to do."""
        body = self.record.body
        assert isinstance(body, RunCycle)
        return body

    @property
    def owner(self) -> OwnerId:
        """In whose business the edge answers."""
        return OwnerId(self.command.owner)

    def worked(self, outcome: Outcome) -> Job:
        """The job after the work."""
        return Job(self.record, State.WORKED, outcome)

    def late(self, now: datetime) -> bool:
        """Whether its cycle is over before it was begun; ``now`` is the broker's time."""
        return now >= self.command.deadline


_TASKS = {
    CycleKind.STATISTICS: Task.STATISTICS,
    CycleKind.INITIALISE: Task.INITIALISE,
    CycleKind.TRAIN: Task.TRAIN,
    CycleKind.EVALUATE: Task.EVALUATE,
}


def task(kind: CycleKind) -> Task:
    """What a worker does in a cycle of this kind."""
    return _TASKS[kind]


def keeps(job: Job) -> bool:
    """Whether the edge goes on from, and keeps, something of its own from cycle to cycle."""
    command = job.command
    if command.cycle.kind is not CycleKind.TRAIN:
        return False
    kind = KINDS.get(command.strategy.name) if command.strategy is not None else None
    return bool(kind and kind.keeps) or Training.model_validate_json(command.training).keeps_optimizer


def update_id(command: RunCycle, edge: PrincipalId) -> MessageId:
    """Id of the ``update.sealed`` that answers ``command`` if all goes well."""
    subject = EventSubject(command.owner, "update", command.experiment, edge, "sealed", str(command.cycle))
    return message_id(str(subject))


def superseded(job: Job, newer: RunCycle) -> bool:
    """Whether a newer command about the same experiment makes ``job`` pointless."""
    old = job.command
    return (
        not job.state.over
        and old.experiment == newer.experiment
        and (old.cycle, old.trial) != (newer.cycle, newer.trial)
    )


def failed(error: TrainingError, resources: Resources, environment: Digest, edge: PrincipalId) -> Outcome:
    """The outcome of work that failed. What is the machine's fault may go better next time."""
    failure = Failure(
        category=error.category.value,
        code=error.code,
        message=error.message,
        edge=edge,
        phase=None if error.phase is None else FailurePhase(error.phase.value),
        trace=error.trace,
    )
    retryable = error.category is Category.INFRA or error.code == "resource.killed"
    return Outcome(resources=resources, environment=environment, failure=failure, retryable=retryable)


def said(job: Job, weights: SealedObject | None) -> Event:
    """What the edge says about a job that was worked on."""
    command, outcome = job.command, job.outcome
    assert outcome is not None
    if outcome.failure is not None:
        return UpdateFailed(
            experiment=command.experiment,
            cycle=command.cycle,
            trial=command.trial,
            command=job.record.id,
            failure=outcome.failure,
            retryable=outcome.retryable,
            resources=outcome.resources,
        )
    sent = 0 if weights is None else weights.sent_bytes
    return UpdateSealed(
        experiment=command.experiment,
        cycle=command.cycle,
        command=job.record.id,
        weights=weights,
        examples=outcome.examples,
        scores=outcome.scores,
        tallies=outcome.tallies,
        resources=outcome.resources.model_copy(update={"sent_bytes": sent}),
        environment=outcome.environment,
        follows=outcome.follows,
    )
