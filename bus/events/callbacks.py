"""What an experiment's scores may decide while it runs: what was asked for, and what the coordinator said of it.

Only scores of a global model count, as the cohort of the next cycle received it, over the edges' validation rows.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from bus.events.base import Event, ExperimentId, Payload, Role
from bus.events.weights import SealedObject

NOT_FINITE: Final = "weights.finite"
"""Code of the failure of an edge whose training led to numbers that are not finite."""
_Delta = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Monitor(Payload):
    """A federated score that is watched."""

    split: str
    name: str
    higher: bool
    """Whether a higher value is the better one."""

    def __str__(self) -> str:
        return f"{self.split}.{self.name}"


class EarlyStopping(Payload):
    """No further training once nothing gets better."""

    monitor: Monitor
    patience: int = Field(ge=1)
    """How many global models in a row may be no better than the best one before them."""
    min_delta: _Delta = 0.0
    """By how much a better one has to be better."""


class ReduceOnPlateau(Payload):
    """A lower learning rate whenever nothing gets better."""

    monitor: Monitor
    factor: float = Field(gt=0, lt=1)
    """What the rate is multiplied with."""
    patience: int = Field(ge=1)
    """As for early stopping, of models that the present rate was used for."""
    min_delta: _Delta = 0.0
    floor: float = Field(gt=0, le=1)
    """Least share of the plan's rate."""


class Callbacks(Payload):
    """What scores may decide; without arguments: nothing."""

    early_stopping: EarlyStopping | None = None
    reduce_on_plateau: ReduceOnPlateau | None = None
    best: Monitor | None = None
    """The result is the global model that was best by this; ``None``: the last one."""
    terminate_on_nan: bool = False
    """One edge's training that leads to numbers that are not finite fails the experiment, whatever the quorum."""


class Standing(Payload):
    """How a watched score stands: what a decision was made on."""

    best: float | None = None
    """``None`` if no model had a value yet."""
    best_cycle: int | None = None
    """Number of the cycle whose global model that is; 0 for the first model, before any training."""
    last: float | None = None
    last_cycle: int | None = None
    stale: int = 0
    """How many models in a row were no better than the best one."""


class StoppedEarly(Event):
    """The coordinator opens no further training cycle: what is there is evaluated, and that is the end."""

    TYPE = "experiment.stopped_early"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"

    experiment: ExperimentId
    cycle: int
    """Number of the last training cycle."""
    monitor: Monitor
    standing: Standing
    reason: str


class RateReduced(Event):
    """Edges train with a lower learning rate from the next cycle on."""

    TYPE = "rate.reduced"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"
    KEY = ("cycle",)

    experiment: ExperimentId
    cycle: int
    """Number of the training cycle after which it holds."""
    factor: float
    """What the plan's rate is multiplied with from here on."""
    before: float
    """The same until here."""
    monitor: Monitor
    standing: Standing
    reason: str


class ModelChosen(Event):
    """Which global model is the experiment's result, if that is the best and not the last."""

    TYPE = "model.chosen"
    BY = frozenset({Role.COORDINATOR})
    ID = "experiment"

    experiment: ExperimentId
    cycle: int
    """Number of the cycle whose global model it is."""
    model: SealedObject
    monitor: Monitor
    standing: Standing
    reason: str
