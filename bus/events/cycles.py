"""Cycles: commands out, updates back, the global model that comes of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from bus.events.base import (
    Command,
    Digest,
    Event,
    ExperimentId,
    MessageId,
    Payload,
    PrincipalId,
    Role,
    Signal,
)
from bus.events.experiments import Failure, Limits, Strategy, TaskData
from bus.events.tallies import Confusion, Tally
from bus.events.weights import BY_SIZE, Encoding, FederatedScore, Resources, Score, SealedObject


class CycleKind(StrEnum):
    """What the edges of a cycle do."""

    STATISTICS = "statistics"
    """Sum up what preprocessing needs, in one pass over the rows or more."""
    INITIALISE = "initialise"
    """One edge builds the first global model from the seed and the summed statistics."""
    TRAIN = "train"
    EVALUATE = "evaluate"
    """Score the final model on held-out test data; no weights come back."""


class Cycle(Payload):
    """Names one cycle of an experiment.

    ``number`` is 1..N for training, and an evaluation has that of the cycle whose global model is evaluated: the last,
    and then the best one if that is another and shall be the result. Passes of statistics count from 0, and the
    initialisation is 0. ``attempt`` counts from 1 and rises when a cycle is run again for want of a quorum.
    """

    number: int
    kind: CycleKind
    attempt: int = 1

    def __str__(self) -> str:
        return f"{self.number}-{self.kind.value}-{self.attempt}"


class Source(Payload):
    """Whose updates a cycle averages anew."""

    experiment: ExperimentId
    cycle: Cycle


class CycleOpened(Event):
    """The coordinator chose a cohort and gives it until ``deadline``."""

    TYPE = "cycle.opened"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"
    KEY = ("cycle",)

    experiment: ExperimentId
    cycle: Cycle
    cohort: tuple[PrincipalId, ...]
    quorum: int
    model: SealedObject | None = None
    """Input of the workers: summed statistics or the global model; ``None`` for the first pass of statistics."""
    deadline: datetime
    source: Source | None = None
    """Set if nobody trains, since the updates are there: those of another experiment's cycle."""
    rate_factor: float = 1.0
    """What edges multiply the plan's learning rate with."""


class RunCycle(Command):
    """Do your part of a cycle."""

    TYPE = "cycle.run"
    BY = frozenset({Role.COORDINATOR})
    KEY = ("cycle", "trial")

    cycle: Cycle
    trial: int
    """Counts from 1; rises when an edge is told to try again within the same cycle."""
    owner: str
    """Tenant of the experiment: part of the subjects of what comes back."""
    deadline: datetime
    framework: str
    data: TaskData
    seed: int
    training: str
    limits: Limits
    code: SealedObject
    model: SealedObject | None = None
    store: str = BY_SIZE
    """Where the update shall lie; see ``experiment.submitted``."""
    encoding: Encoding = Encoding()
    """How the update is made smaller; plain but in training."""
    follows: MessageId | None = None
    """Id of this edge's update that was the last to go into a global model of this experiment, or of the one that it
    goes on from: what the edge kept of that is where it goes on. ``None`` if there is none."""
    strategy: Strategy | None = None
    """What combines the updates, if it changes how edges train; ``None`` if they need not know of it."""
    pretrained: SealedObject | None = None
    """The vendor's weights, for whoever makes the first global model; ``None`` in other cycles, and without any."""
    rate_factor: float = 1.0
    """What the learning rate in ``training`` is to be multiplied with."""
    with_validation: bool = False
    """In an evaluation: the model is scored on the rows that are kept for validation, too."""


class CancelExperiment(Command):
    """Stop whatever you do for this experiment and forget it."""

    TYPE = "experiment.cancel"
    BY = frozenset({Role.COORDINATOR})
    KEY = ("turn",)

    turn: int


class UpdateSealed(Event):
    """An edge did its part; its weights lie sealed in the blob store."""

    TYPE = "update.sealed"
    BY = frozenset({Role.EDGE})
    ID = "experiment"
    KEY = ("cycle",)

    experiment: ExperimentId
    cycle: Cycle
    command: MessageId
    weights: SealedObject | None
    """``None`` for an evaluation."""
    examples: int
    """Rows trained on; the update's weight in a mean."""
    scores: tuple[Score, ...] = ()
    tallies: tuple[Tally, ...] = ()
    """What adds up over edges, of the sets of rows that the scores are about."""
    resources: Resources
    environment: Digest
    """Of interpreter, framework and platform versions."""
    follows: MessageId | None = None
    """The earlier update of this edge that it went on from: what was kept of that, state or what its encoding had left
    out, went into this one. ``None`` if it began without."""


class UpdateFailed(Event):
    """An edge could not do its part."""

    TYPE = "update.failed"
    BY = frozenset({Role.EDGE})
    ID = "experiment"
    KEY = ("cycle", "trial")

    experiment: ExperimentId
    cycle: Cycle
    trial: int
    command: MessageId
    failure: Failure
    retryable: bool
    resources: Resources | None = None


class UpdateRejected(Event):
    """The aggregator cannot use an update: a seal, digest or layout does not hold."""

    TYPE = "update.rejected"
    BY = frozenset({Role.AGGREGATOR})
    ID = "experiment"
    KEY = ("cycle", "edge")

    experiment: ExperimentId
    cycle: Cycle
    edge: PrincipalId
    failure: Failure


class CycleExpired(Event):
    """The deadline passed before every edge of the cohort had answered."""

    TYPE = "cycle.expired"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"
    KEY = ("cycle",)

    experiment: ExperimentId
    cycle: Cycle


class Contribution(Payload):
    """One update that goes into a global model."""

    edge: PrincipalId
    update: MessageId
    """Id of the ``update.sealed`` event."""
    weight: int
    """Example count; the strategy decides what it makes of it."""


class LeftOut(Payload):
    """An edge of the cohort whose work does not count in this cycle."""

    edge: PrincipalId
    failure: Failure


class CycleClosed(Event):
    """The coordinator fixed what counts. A rejected update leads to a further revision without it."""

    TYPE = "cycle.closed"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"
    KEY = ("cycle", "revision")

    experiment: ExperimentId
    cycle: Cycle
    revision: int
    included: tuple[Contribution, ...]
    left_out: tuple[LeftOut, ...] = ()
    strategy: Strategy
    model: SealedObject | None = None
    """The global model that the cohort started from."""
    recipients: tuple[PrincipalId, ...]
    """For whom the outcome is sealed: edges that may need it next, the vendor, the aggregator."""
    source: Source | None = None
    """Where the updates are, if not in this cycle."""
    state: SealedObject | None = None
    """What the strategy kept after the last training cycle; ``None`` in the first, or if it keeps nothing."""
    store: str = BY_SIZE
    """Where the outcome shall lie; see ``experiment.submitted``."""


class CycleAbandoned(Event):
    """A cycle without a quorum: its updates do not count; it is tried again or the experiment fails."""

    TYPE = "cycle.abandoned"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"
    KEY = ("cycle",)

    experiment: ExperimentId
    cycle: Cycle
    reason: str
    left_out: tuple[LeftOut, ...] = ()


class ModelAveraged(Event):
    """The aggregator combined a closed cycle's updates into the next global model."""

    TYPE = "model.averaged"
    BY = frozenset({Role.AGGREGATOR})
    ID = "experiment"
    KEY = ("cycle", "revision")

    experiment: ExperimentId
    cycle: Cycle
    revision: int
    model: SealedObject
    contributors: dict[PrincipalId, Digest]
    """Edge -> digest of its update's plaintext."""
    weight: int
    """Sum of the example counts."""
    scores: tuple[FederatedScore, ...] = ()
    state: SealedObject | None = None
    """What the strategy keeps for the next cycle, sealed for the aggregator alone; ``None`` if it keeps nothing."""
    selected: tuple[PrincipalId, ...] | None = None
    """Edges whose updates the strategy chose for what is learnt; ``None`` if it does not choose."""
    members: dict[str, dict[PrincipalId, int]] | None = None
    """Group of members -> edge -> how many it added to those of the last model; ``None`` if the model has none."""


class ModelEvaluated(Event):
    """The aggregator combined the cohort's scores on held-out test data."""

    TYPE = "model.evaluated"
    BY = frozenset({Role.AGGREGATOR})
    ID = "experiment"
    KEY = ("cycle", "revision")

    experiment: ExperimentId
    cycle: Cycle
    revision: int
    scores: tuple[FederatedScore, ...]
    confusion: tuple[Confusion, ...] = ()
    """For classes, unless there are more than 100."""


class ModelFailed(Event):
    """The updates were sound, but no usable model came of them."""

    TYPE = "model.failed"
    BY = frozenset({Role.AGGREGATOR})
    ID = "experiment"
    KEY = ("cycle", "revision")

    experiment: ExperimentId
    cycle: Cycle
    revision: int
    failure: Failure


class Progress(Signal):
    """How far a worker is."""

    TYPE = "progress.reported"
    BY = frozenset({Role.EDGE})
    FAMILY = "tel"

    edge: PrincipalId
    experiment: ExperimentId
    cycle: Cycle
    phase: str
    """``waiting``, ``working``, ``sealing`` or ``sending``."""
    done: int = 0
    total: int = 0
    loss: float | None = None
