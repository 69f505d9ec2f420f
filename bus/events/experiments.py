"""The life of an experiment, from the vendor's submission to its end."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from bus.events.base import DatasetId, Digest, Event, ExperimentId, Payload, PrincipalId, Role, Signal
from bus.events.callbacks import Callbacks
from bus.events.datasets import Split
from bus.events.weights import BY_SIZE, Encoding, FederatedScore, SealedObject


class Strategy(Payload):
    """How updates become a model."""

    name: str
    parameters: dict[str, float] = Field(default_factory=dict)


class Limits(Payload):
    """Bounds of one worker run."""

    memory_bytes: int
    cpu_s: float
    wall_s: float
    disk_bytes: int
    processes: int


class TaskData(Payload):
    """What is learnt from what, fixed for every edge when the experiment is submitted."""

    category: str
    dataset: DatasetId
    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...] | None = None
    """All class labels of all edges, sorted; ``None`` where the target is not a class."""
    preparation: str = ""
    """What is done to each column, as canonical JSON that only workers read; empty: all hold numbers, standardised."""
    derived: str = ""
    """Which features are made from columns, in the same form; empty: none."""
    passes: int = Field(default=1, ge=1, le=3)
    """How often the edges sum up their rows before there is a first model."""
    taken: dict[PrincipalId, Split] = Field(default_factory=dict)
    """Edge -> how many of its training rows it takes; which ones follows from the seed. An edge that is not here takes
    all. What an edge is told is about itself alone."""

    def at(self, edge: PrincipalId) -> TaskData:
        """What one edge is told."""
        return self.model_copy(update={"taken": {name: rows for name, rows in self.taken.items() if name == edge}})


class Origin(Payload):
    """Where a forked experiment begins: with the global model of another one's training cycle."""

    experiment: ExperimentId
    cycle: int
    """Number of the cycle whose model it is; 0 for the first model, before any training."""
    model: SealedObject
    anew: bool = False
    """The updates of that cycle are averaged anew, by this experiment's strategy; training goes on after it."""
    state: SealedObject | None = None
    """What the strategy had kept after that cycle, if the fork goes on with the same strategy."""
    rate_factor: float = 1.0
    """What the plan's learning rate was multiplied with after that cycle."""


PRETRAINED: Final = "pretrained"
"""Name of the sealed object with the vendor's weights, beside ``code``."""


class ExperimentSubmitted(Event):
    """A vendor asks for an experiment."""

    TYPE = "experiment.submitted"
    BY = frozenset({Role.VENDOR})
    ID = "experiment"

    experiment: ExperimentId
    name: str
    objective: str = ""
    framework: str
    data: TaskData
    cycles: int
    quorum: int | None = None
    """Least number of edges that a cycle needs; ``None``: every edge that holds the dataset."""
    deadline_s: float
    """Longest time that a cycle may take."""
    seed: int
    strategy: Strategy
    training: str
    """The training section of the plan as canonical JSON; only edges read it."""
    limits: Limits
    code: SealedObject
    """The model file, sealed for ``recipients``."""
    recipients: tuple[PrincipalId, ...]
    """Edges that can open the model file."""
    plan_digest: Digest
    origin: Origin | None = None
    """Set for a fork: its cycles go on from there, up to ``cycles``."""
    store: str = BY_SIZE
    """Where weights shall lie: ``jetstream``, ``s3`` or ``auto``, which decides by their size."""
    encoding: Encoding = Encoding()
    """How updates of training cycles are made smaller."""
    pretrained: SealedObject | None = None
    """Weights that the first global model is made of, sealed for ``recipients``; ``None``: those that the model file
    makes."""
    callbacks: Callbacks = Callbacks()
    """What its scores may decide while it runs."""


class ExperimentAdmitted(Event):
    """The policy engine permits an experiment."""

    TYPE = "experiment.admitted"
    BY = frozenset({Role.POLICY_ENGINE})
    ID = "experiment"

    experiment: ExperimentId
    reasons: tuple[str, ...]
    rules: Digest
    """Of the rule set that decided."""


class ExperimentRefused(Event):
    """The policy engine refuses an experiment. Final."""

    TYPE = "experiment.refused"
    BY = frozenset({Role.POLICY_ENGINE})
    ID = "experiment"

    experiment: ExperimentId
    reasons: tuple[str, ...]
    rules: Digest


class QueueReported(Signal):
    """What a submitted experiment waits for, said again whenever it changes."""

    TYPE = "queue.reported"
    BY = frozenset({Role.COORDINATOR})
    FAMILY = "tel"

    experiment: ExperimentId
    position: int = 0
    """From 1; 0 if it does not wait for room."""
    reason: str = ""
    """What it waits for; empty once it has started."""


class ExperimentStarted(Event):
    """The coordinator begins: enough edges are live."""

    TYPE = "experiment.started"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"

    experiment: ExperimentId
    edges: tuple[PrincipalId, ...]


class Request(Event):
    """A wish about a running experiment; ``request`` tells repeated wishes apart."""

    BY = frozenset({Role.VENDOR, Role.OPERATOR})
    ID = "experiment"
    KEY = ("request",)

    experiment: ExperimentId
    request: str
    reason: str = ""


class PauseRequested(Request):
    """Open no further cycle until resumed."""

    TYPE = "experiment.pause_requested"


class ResumeRequested(Request):
    """Go on after a pause or a stop."""

    TYPE = "experiment.resume_requested"


class StopRequested(Request):
    """End after the cycle that runs now; the last global model stays."""

    TYPE = "experiment.stop_requested"


class AbortRequested(Request):
    """End now and discard the cycle that runs."""

    TYPE = "experiment.abort_requested"


class Turn(Event):
    """A change of state that can happen again; ``turn`` counts the coordinator's turns of one experiment."""

    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"
    KEY = ("turn",)

    experiment: ExperimentId
    turn: int
    reason: str = ""


class ExperimentPaused(Turn):
    """No further cycle opens."""

    TYPE = "experiment.paused"


class ExperimentResumed(Turn):
    """Cycles open again."""

    TYPE = "experiment.resumed"


class ExperimentRequeued(Turn):
    """It waited a cycle's deadline for edges or for a release, and gives its places back; its turn will come again."""

    TYPE = "experiment.requeued"


class ExperimentStopped(Turn):
    """Ended early on request; the last global model is the result; can be resumed."""

    TYPE = "experiment.stopped"

    model: SealedObject | None = None


class ExperimentAborted(Event):
    """Ended at once on request; nothing is kept as a result. Final."""

    TYPE = "experiment.aborted"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"

    experiment: ExperimentId
    reason: str = ""


class FailurePhase(StrEnum):
    """How far the work had come when it failed."""

    SUBMIT = "submit"
    """The coordinator looked at what was asked for."""
    ACCEPT = "accept"
    """The edge took the command; nothing was begun."""
    FETCH = "fetch"
    """The edge fetched model file and weights."""
    EXPORT = "export"
    """The edge took rows out of its store."""
    START = "start"
    """The worker started and read its configuration."""
    IMPORT = "import"
    """The worker loaded the model file and made the model."""
    STATISTICS = "statistics"
    INITIALISE = "initialise"
    TRAIN = "train"
    EVALUATE = "evaluate"
    CHECK = "check"
    """The edge looked at what the worker had written."""
    COLLECT = "collect"
    """The coordinator waited for updates and weighed them."""
    AVERAGE = "average"
    """The aggregator opened and combined the updates."""


class Failure(Payload):
    """Why something could not be done."""

    category: str
    """``data``, ``resource``, ``egress``, ``model`` or ``infra``."""
    code: str
    """Listed with its number in ``docs/reference/errors.md``."""
    message: str
    edge: PrincipalId | None = None
    phase: FailurePhase | None = None
    """``None`` if nobody can tell."""
    trace: tuple[str, ...] = ()
    """Frames of the worker's code, outermost first, and the exception's type, redacted by the edge."""


class ExperimentFailed(Event):
    """Ended because it could not go on. Final."""

    TYPE = "experiment.failed"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"

    experiment: ExperimentId
    failure: Failure


class ExperimentCompleted(Event):
    """All cycles are done. Final."""

    TYPE = "experiment.completed"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"

    experiment: ExperimentId
    model: SealedObject
    scores: tuple[FederatedScore, ...] = ()
