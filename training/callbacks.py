"""The plan's callbacks: what scores of the global model may decide, and whether this plan will have such scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.errors import model_error
from training.suggestions import known_or_nearest

if TYPE_CHECKING:
    from training.plan import Training

VALIDATION: Final = "validation"
_NOT_WATCHED: Final = {
    "test": "the test rows are looked at once, when training is over: a score that decided something no longer says "
    "how the model does on new rows",
    "train": "scores of training rows are of what each edge made, not of the global model",
}
Mode = Literal["auto", "min", "max"]
_Delta = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Patience = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Watching(_Section):
    monitor: str
    """A score of the global model over all edges: ``validation.`` and a metric, such as ``validation.log_loss``."""
    mode: Mode = "auto"
    """Which value is the better one. Every metric has its direction, so it need not be said; a wrong one is refused."""


class EarlyStopping(_Watching):
    """End the training once the global model gets no better."""

    patience: _Patience = 3
    """How many global models in a row may be no better than the best one before them."""
    min_delta: _Delta = 0.0
    """A model is better if it is so by more than this."""


class ReduceOnPlateau(_Watching):
    """Lower the learning rate whenever the global model gets no better. Needs ``training.learning_rate``."""

    patience: _Patience = 3
    """How many global models in a row, trained at the present rate, may be no better than the best one."""
    min_delta: _Delta = 0.0
    """A model is better if it is so by more than this."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """What the rate, or the whole schedule, is multiplied with each time."""
    floor: float = Field(default=0.001, gt=0, le=1)
    """Least share of the plan's learning rate that is left."""


class Checkpoint(_Section):
    """Which global model is the experiment's result."""

    keep: Literal["best", "last"] = "last"
    """``best`` by the monitor, or that of the ``last`` cycle."""
    monitor: str | None = None
    """What ``best`` goes by, as for early stopping."""
    mode: Mode = "auto"
    """As for early stopping."""


class Callbacks(_Section):
    """What may change the course of an experiment. The coordinator decides it for all edges, from the log."""

    early_stopping: EarlyStopping | None = None
    """End the training once the global model gets no better; left out: all cycles are run."""
    reduce_on_plateau: ReduceOnPlateau | None = None
    """Lower the learning rate whenever the global model gets no better; left out: it stays as the plan says."""
    checkpoint: Checkpoint = Checkpoint()
    """Which global model is the result; left out: the last one."""
    terminate_on_nan: bool = False
    """Whether the experiment fails at once if an edge's training leads to numbers that are not finite. Otherwise it
    goes on without that edge for as long as there is a quorum."""

    def check(self, category: str, training: Training, higher: Mapping[str, bool]) -> None:
        """Check that this plan will have the scores that are watched, and a rate that can be lowered.

        Args:
            category: Of the task.
            training: The plan's section.
            higher: Metric that training cycles tell of such a task -> whether a higher value is the better one.

        Raises:
            TrainingError: It will not; everything wrong is named.
        """
        problems = [*self._wrong(category, training, higher)]
        if problems:
            raise model_error("plan.callbacks", "; ".join(problems))

    def _wrong(self, category: str, training: Training, higher: Mapping[str, bool]) -> Iterator[str]:
        watched: list[tuple[str, str, Mode]] = [
            (name, asked.monitor, asked.mode)
            for name, asked in (("early_stopping", self.early_stopping), ("reduce_on_plateau", self.reduce_on_plateau))
            if asked is not None
        ]
        checkpoint = self.checkpoint
        if checkpoint.monitor is not None and checkpoint.keep == "best":
            watched.append(("checkpoint", checkpoint.monitor, checkpoint.mode))
        elif checkpoint.keep == "best":
            yield "callbacks.checkpoint.monitor is missing: it says what 'best' goes by"
        elif checkpoint.monitor is not None:
            yield "callbacks.checkpoint.monitor goes with keep: best; the last model is the last whatever its scores"
        for name, monitor, mode in watched:
            wrong = _unknown(monitor, category, training, higher) or _turned(monitor, mode, higher)
            if wrong:
                yield f"callbacks.{name}.{wrong}"
        if self.reduce_on_plateau is not None and training.learning_rate is None:
            yield (
                "callbacks.reduce_on_plateau lowers training.learning_rate, and the plan has none: set the rate that "
                "the model file would take"
            )


def _unknown(monitor: str, category: str, training: Training, metrics: Iterable[str]) -> str | None:
    """Why there will be no such score; ``None`` if there will."""
    split = monitor.partition(".")[0]
    known = [f"{VALIDATION}.{metric}" for metric in metrics]
    if split in _NOT_WATCHED:
        return f"monitor: {monitor[:60]!r} cannot be watched, since {_NOT_WATCHED[split]}; {_one_of(known)}"
    if monitor not in known:
        meant = monitor if "." in monitor or not monitor else f"{VALIDATION}.{monitor}"
        return f"monitor: {monitor[:60]!r} is no score of {category}; {known_or_nearest(meant, known)}"
    if not training.validation_split:
        return (
            f"monitor: there will be no {monitor}, as the plan keeps no rows for validation: set "
            "training.validation_split to a share of the rows, such as 0.2"
        )
    return None


def _turned(monitor: str, mode: Mode, higher: Mapping[str, bool]) -> str | None:
    """That the plan has the direction of a metric wrong; ``None`` if it has not."""
    better = "max" if higher[monitor.partition(".")[2]] else "min"
    if mode in {"auto", better}:
        return None
    return f"mode: {monitor} is best where it is {'highest' if better == 'max' else 'lowest'}: leave mode out"


def _one_of(known: list[str]) -> str:
    return f"expected one of {', '.join(known)}"
