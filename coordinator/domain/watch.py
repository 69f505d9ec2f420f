"""How the scores of an experiment's global models went, and what was decided of them: folded from the log alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bus.events.callbacks import Callbacks, Monitor, Standing
from bus.events.experiments import ExperimentSubmitted
from bus.events.weights import FederatedScore

_RECEIVED: Final = "received"
"""The stage of scores that judge a global model; those after local training judge what each edge made of it."""


@dataclass(frozen=True)
class Watch:
    """What is known of the scores that callbacks watch.

    Attributes:
        stopping: How the score of early stopping stands.
        plateau: That of the learning rate's; it counts models that the present rate was used for.
        result: That which decides what the result is.
        factors: Number of a cycle -> what the plan's learning rate is multiplied with after it.
        stopped: Number of the last training cycle, if training ended early.
        chosen: Number of the cycle whose model is the result, once that is decided.
    """

    stopping: Standing = field(default_factory=Standing)
    plateau: Standing = field(default_factory=Standing)
    result: Standing = field(default_factory=Standing)
    factors: Mapping[int, float] = field(default_factory=dict)
    stopped: int | None = None
    chosen: int | None = None

    def factor_after(self, cycle: int) -> float:
        """What the plan's learning rate is multiplied with in the cycle after ``cycle``."""
        return self.factors.get(max((each for each in self.factors if each <= cycle), default=-1), 1.0)


def begun(asked: ExperimentSubmitted) -> Watch:
    """The watch of an experiment that was just submitted: a fork goes on with the rate, and judges anew."""
    origin = asked.origin
    return Watch() if origin is None or origin.rate_factor == 1 else Watch(factors={origin.cycle: origin.rate_factor})


def seen(watch: Watch, asked: ExperimentSubmitted, cycle: int, scores: Iterable[FederatedScore]) -> Watch:
    """The watch once the global model of ``cycle`` was judged.

    Args:
        watch: Before.
        asked: The experiment; of a fork, models from before its beginning are not its own and do not count.
        cycle: Number of the cycle that made the model; 0 for the first model. Once the result is chosen, none counts.
        scores: What the edges made of it, over the cohort.
    """
    if watch.chosen is not None or (asked.origin is not None and cycle < asked.origin.cycle):
        return watch
    callbacks, found = asked.callbacks, tuple(scores)
    stopping, plateau = callbacks.early_stopping, callbacks.reduce_on_plateau
    if stopping is not None:
        value = value_of(found, stopping.monitor)
        watch = replace(watch, stopping=after(watch.stopping, cycle, value, stopping.monitor, stopping.min_delta))
    if plateau is not None:
        value = value_of(found, plateau.monitor)
        stands = after(watch.plateau, cycle, value, plateau.monitor, plateau.min_delta)
        if cycle <= max(watch.factors, default=-1):
            # It was trained at the rate before, so says nothing of the present one.
            stands = stands.model_copy(update={"stale": 0})
        watch = replace(watch, plateau=stands)
    if callbacks.best is not None:
        watch = replace(watch, result=after(watch.result, cycle, value_of(found, callbacks.best), callbacks.best))
    return watch


def reduced(watch: Watch, cycle: int, factor: float) -> Watch:
    """The watch once the rate was lowered after ``cycle``: what is no better is counted anew."""
    plateau = watch.plateau.model_copy(update={"stale": 0})
    return replace(watch, factors={**watch.factors, cycle: factor}, plateau=plateau)


def value_of(scores: Iterable[FederatedScore], monitor: Monitor) -> float | None:
    """What a monitor shows of a global model; ``None`` if it has no value that can be compared."""
    for score in scores:
        if (score.stage, score.split, score.name) == (_RECEIVED, monitor.split, monitor.name):
            return score.value if score.value is not None and math.isfinite(score.value) else None
    return None


def after(stands: Standing, cycle: int, value: float | None, monitor: Monitor, min_delta: float = 0.0) -> Standing:
    """How a score stands after the model of ``cycle``; one without a value changes nothing."""
    if value is None:
        return stands
    gain = math.inf if stands.best is None else (value - stands.best) * (1 if monitor.higher else -1)
    if gain > min_delta:
        return Standing(best=value, best_cycle=cycle, last=value, last_cycle=cycle)
    return stands.model_copy(update={"last": value, "last_cycle": cycle, "stale": stands.stale + 1})


def result_so_far(watch: Watch, callbacks: Callbacks) -> int | None:
    """Number of the cycle whose model is, or may become, the result because it is the best; ``None`` if none is."""
    if callbacks.best is None:
        return None
    return watch.result.best_cycle if watch.chosen is None else watch.chosen
