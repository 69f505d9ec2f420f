"""Metrics of the cohort from metrics of the edges, each saying how it was combined."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from bus.events.base import PrincipalId
from bus.events.weights import FederatedScore, Score

ROW_MEANS: Final = frozenset({"accuracy", "log_loss", "brier", "mae", "mse"})
"""Metrics that are means over rows: weighted by rows, their mean over edges is what pooled rows would give."""
ROOT_MEANS: Final = frozenset({"rmse"})
"""Roots of means over rows: exact over the squares."""

EXACT: Final = "mean over all rows"
ROOT: Final = "root of the mean over all rows"
APPROXIMATE: Final = "mean of the edges' values, weighted by rows"


def combine(scores: Mapping[PrincipalId, tuple[Score, ...]]) -> tuple[FederatedScore, ...]:
    """The cohort's metrics.

    A metric that an edge with rows could not compute has no value for the cohort, and says where it is missing.
    Edges without rows do not count, unless none has any.

    Args:
        scores: Edge -> its metrics.
    """
    groups: dict[tuple[str, str, str], list[tuple[PrincipalId, Score]]] = defaultdict(list)
    for edge, own in sorted(scores.items()):
        for score in own:
            groups[(score.stage, score.split, score.name)].append((edge, score))
    return tuple(_combine(found) for _, found in sorted(groups.items()))


def _combine(found: list[tuple[PrincipalId, Score]]) -> FederatedScore:
    found = [(edge, score) for edge, score in found if score.count] or found
    first = found[0][1]
    count = sum(score.count for _, score in found)
    method = EXACT if first.name in ROW_MEANS else ROOT if first.name in ROOT_MEANS else APPROXIMATE
    missing = [f"{edge}: {score.reason or 'no reason given'}" for edge, score in found if score.value is None]
    value, reason = (None, "; ".join(missing)) if missing else (_mean([s for _, s in found], method), None)
    return FederatedScore(
        name=first.name,
        split=first.split,
        stage=first.stage,
        value=value,
        reason=reason,
        count=count,
        method=method,
    )


def _mean(scores: list[Score], method: str) -> float | None:
    count = sum(score.count for score in scores)
    if count == 0:
        return None
    if method == ROOT:
        return math.sqrt(math.fsum((s.value or 0.0) ** 2 * s.count for s in scores) / count)
    return math.fsum((s.value or 0.0) * s.count for s in scores) / count
