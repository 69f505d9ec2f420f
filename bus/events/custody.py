"""What is kept of sealed weights: the operator's rule, what the coordinator lets go by it, and that it is gone."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from bus.events.base import Event, ExperimentId, OwnerId, PrincipalId, Role
from bus.events.governance import Ruling


class Keep(StrEnum):
    """What stays of an experiment's sealed weights; each keeps less than the one before."""

    EVERYTHING = "everything"
    """All: every model can be recomputed."""
    MODELS = "models"
    """Every global model; updates go once the next cycle's outcome is there."""
    LAST = "last"
    """The newest global models, as many as the rule says, and what the running cycle needs."""
    FINAL = "final"
    """Of an experiment that is over, the newest global model alone."""
    NOTHING = "nothing"
    """Of an experiment that is over, nothing."""


class KeepingRuled(Ruling):
    """The operator says what is kept of all experiments, old ones too. The newest ruling holds."""

    TYPE = "weights.ruled"
    ID = "federation"

    federation: OwnerId
    keep: Keep
    last: int = Field(default=1, ge=1)
    """How many global models ``last`` keeps."""
    days: float | None = Field(default=None, ge=0)
    """After how many days an experiment that is over keeps its newest global model alone; ``None`` for never."""


class PurgeRequested(Ruling):
    """The operator wants room now: of this experiment, less is kept than the rule says."""

    TYPE = "weights.purge_requested"
    ID = "experiment"

    experiment: ExperimentId
    keep: Keep
    last: int = Field(default=1, ge=1)
    """How many global models ``last`` keeps."""


class WeightsReleased(Event):
    """The coordinator no longer needs these bodies, and no rule keeps them; ``turn`` counts per experiment.

    Steps are named by number and kind of a cycle, e.g. ``3-train``, and mean all its attempts.
    """

    TYPE = "weights.released"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"
    KEY = ("turn",)

    experiment: ExperimentId
    turn: int
    updates: tuple[str, ...] = ()
    """Steps whose updates go."""
    outcomes: tuple[str, ...] = ()
    """Steps whose outcome goes: the global model, and what the strategy kept."""
    edges: tuple[PrincipalId, ...]
    """Whose updates there may be."""
    reason: str


class WeightsPurged(Event):
    """The aggregator removed from the stores what was released until then."""

    TYPE = "weights.purged"
    BY = frozenset({Role.AGGREGATOR})
    ID = "experiment"
    KEY = ("turn",)

    experiment: ExperimentId
    turn: int
    """Of the release."""
    bodies: int
    """How many there were; 0 if somebody had removed them before."""
    left: tuple[str, ...] = ()
    """Stores that did not let the aggregator remove anything."""
