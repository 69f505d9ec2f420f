"""Learning rates that change: a plan's words, and the rate at a moment of an experiment.

Time is counted in epochs of the whole experiment, in fractions within an epoch: an edge with few rows and few steps is
where one with many is. What is computed here is what every framework uses, so that all of them mean the same.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

NUMBER: Final = "<number>"
"""Tag of a rate that does not change."""
MOST_STEPS: Final = 1000
"""Most changes of a rate: a table travels with every command of a cycle."""
_Rate = Annotated[float, Field(gt=0)]
_Epochs = Annotated[float, Field(gt=0)]


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: _Rate
    """At the beginning."""

    def at(self, epoch: float) -> float:
        """The rate after ``epoch`` epochs of the experiment."""
        raise NotImplementedError


class Constant(_Schedule):
    """``rate``, always; as the number alone."""

    schedule: Literal["constant"]

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        del epoch
        return self.rate


class Exponential(_Schedule):
    """``rate factor^(t / over)``."""

    schedule: Literal["exponential"]
    factor: float = Field(gt=0, le=1)
    """What is left of the rate after ``over`` epochs."""
    over: _Epochs
    """Epochs."""

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        return float(self.rate * self.factor ** (epoch / self.over))


class Step(_Schedule):
    """``rate factor^floor(t / every)``."""

    schedule: Literal["step"]
    factor: float = Field(gt=0, le=1)
    """What is left of the rate after each step."""
    every: _Epochs
    """Epochs from step to step."""

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        return float(self.rate * self.factor ** math.floor(epoch / self.every))


class Polynomial(_Schedule):
    """``end + (rate - end) (1 - t / over)^power``, and ``end`` after ``over`` epochs."""

    schedule: Literal["polynomial"]
    over: _Epochs
    """Epochs."""
    end: _Rate
    """At the end."""
    power: float = Field(default=1.0, gt=0)
    """1 for a straight line."""

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        return float(self.end + (self.rate - self.end) * (1.0 - min(epoch / self.over, 1.0)) ** self.power)


class InverseTime(_Schedule):
    """``rate / (1 + decay t / over)``."""

    schedule: Literal["inverse_time"]
    decay: float = Field(gt=0)
    """How much of the rate's own size is added to its divisor in ``over`` epochs."""
    over: _Epochs
    """Epochs."""

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        return self.rate / (1.0 + self.decay * epoch / self.over)


class Cosine(_Schedule):
    """``end + (rate - end) (1 + cos(pi t / over)) / 2``, and ``end`` after ``over`` epochs.

    Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5.
    """

    schedule: Literal["cosine"]
    over: _Epochs
    """Epochs."""
    end: _Rate
    """At the end."""

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        return _cosine(self.rate, self.end, min(epoch / self.over, 1.0))


class CosineRestarts(_Schedule):
    """``cosine`` that begins again at ``rate``, each time after ``growth`` times as many epochs.

    Source: as ``cosine``, section 3, with T_0 ``over`` and T_mult ``growth``.
    """

    schedule: Literal["cosine_restarts"]
    over: _Epochs
    """Epochs to the first restart."""
    end: _Rate
    """Before each restart."""
    growth: float = Field(default=1.0, ge=1, le=100)
    """How many times as long each period is as the one before."""

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        if self.growth == 1.0:
            return _cosine(self.rate, self.end, math.fmod(epoch, self.over) / self.over)
        period = math.floor(math.log1p(epoch * (self.growth - 1.0) / self.over) / math.log(self.growth))
        length = self.over * self.growth**period
        begun = (length - self.over) / (self.growth - 1.0)
        return _cosine(self.rate, self.end, min(max((epoch - begun) / length, 0.0), 1.0))


class Piecewise(_Schedule):
    """``rate`` at first, and each of ``rates`` from its time in ``after`` on: a function of one's own as a table."""

    schedule: Literal["piecewise"]
    after: tuple[_Epochs, ...] = Field(min_length=1, max_length=MOST_STEPS)
    """Epochs after which the rate changes, ascending."""
    rates: tuple[_Rate, ...]
    """What it changes to, one for each of ``after``."""

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        if len(self.after) != len(self.rates):
            found = {"rates": len(self.rates), "times": len(self.after)}
            raise PydanticCustomError("rates", "expected a rate for each time: {rates} for {times}", found)
        if any(later <= earlier for earlier, later in pairwise(self.after)):
            raise PydanticCustomError("times", "expected the times of after ascending, none of them twice")
        return self

    def at(self, epoch: float) -> float:
        """See ``_Schedule``."""
        return (self.rate, *self.rates)[bisect_right(self.after, epoch)]


def tabulated(function: Callable[[int], float], epochs: int) -> dict[str, Any]:
    """A schedule from a function, as ``training.learning_rate`` takes it: nothing of the function is sent anywhere.

    Args:
        function: Epochs since the experiment began, over all cycles together, from 0 -> the rate of the next one.
        epochs: For how many it is asked; the last rate stays.

    Raises:
        ValueError: There is no epoch to ask for, or too many.
    """
    if not 1 <= epochs <= MOST_STEPS:
        raise ValueError(f"expected 1 to {MOST_STEPS} epochs, found {epochs}")
    found = [float(function(epoch)) for epoch in range(epochs)]
    changes = [epoch for epoch in range(1, epochs) if found[epoch] != found[epoch - 1]]
    if not changes:
        return {"schedule": "constant", "rate": found[0]}
    return {"schedule": "piecewise", "rate": found[0], "after": changes, "rates": [found[epoch] for epoch in changes]}


def _cosine(rate: float, end: float, share: float) -> float:
    return end + (rate - end) * (1.0 + math.cos(math.pi * share)) / 2.0


KINDS: Final[dict[str, type[BaseModel]]] = {
    "constant": Constant,
    "exponential": Exponential,
    "step": Step,
    "polynomial": Polynomial,
    "inverse_time": InverseTime,
    "cosine": Cosine,
    "cosine_restarts": CosineRestarts,
    "piecewise": Piecewise,
}
"""By the word that a plan says after ``schedule``."""


def _kind(value: Any) -> str | None:  # noqa: ANN401 - whatever a plan says
    if isinstance(value, dict):
        found = value.get("schedule")
        return str(found) if found is not None else None
    return str(getattr(value, "schedule", NUMBER))


LearningRate = Annotated[
    Annotated[_Rate, Tag(NUMBER)]
    | Annotated[Constant, Tag("constant")]
    | Annotated[Exponential, Tag("exponential")]
    | Annotated[Step, Tag("step")]
    | Annotated[Polynomial, Tag("polynomial")]
    | Annotated[InverseTime, Tag("inverse_time")]
    | Annotated[Cosine, Tag("cosine")]
    | Annotated[CosineRestarts, Tag("cosine_restarts")]
    | Annotated[Piecewise, Tag("piecewise")],
    Discriminator(_kind),
]
"""A number, or a schedule."""


def slowed(rate: LearningRate, factor: float) -> LearningRate:
    """A rate multiplied with ``factor``, at every moment: all schedules are linear in their rates."""
    if isinstance(rate, float):
        return rate * factor
    less: dict[str, Any] = {
        name: getattr(rate, name) * factor for name in ("rate", "end") if name in type(rate).model_fields
    }
    if isinstance(rate, Piecewise):
        less["rates"] = tuple(each * factor for each in rate.rates)
    return rate.model_copy(update=less)
