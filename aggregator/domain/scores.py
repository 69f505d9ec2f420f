"""Metrics of the cohort from what the edges say, each with how it was combined.

Where every edge sent what adds up, metrics follow from that as if all rows were in one place; otherwise they are means
of what the edges computed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from aggregator.domain.scoring import classes, numbers
from aggregator.domain.scoring.result import Found, Missing, Unknown
from aggregator.domain.scoring.soundness import fit_together, is_sound
from bus.events.base import PrincipalId
from bus.events.tallies import Confusion, Tally
from bus.events.weights import FederatedScore, Score

ROW_MEANS: Final = frozenset({"accuracy", "log_loss", "brier", "mae", "mse"})
"""Metrics that are means over rows: weighted by rows, their mean over edges is what pooled rows would give."""
ROOT_MEANS: Final = frozenset({"rmse"})
"""Roots of means over rows: exact over the squares."""

POOLED: Final = "from counts and sums of all rows"
BOUNDED: Final = "from all rows counted in bins, within the bound"
EXACT: Final = "mean over all rows"
ROOT: Final = "root of the mean over all rows"
APPROXIMATE: Final = "mean of the edges' values, weighted by rows"

_Rows = tuple[str, str]
"""Stage and split: what a set of rows is called."""
_Pooled = classes.Pooled | numbers.Pooled


def combine(
    scores: Mapping[PrincipalId, Sequence[Score]], tallies: Mapping[PrincipalId, Sequence[Tally]]
) -> tuple[FederatedScore, ...]:
    """The cohort's metrics: those that the edges have.

    Where they do not follow from tallies, a metric that an edge with rows could not compute has no value for the
    cohort, and says where it is missing. Edges without rows do not count, unless none has any.

    Args:
        scores: Edge -> its metrics.
        tallies: Edge -> what adds up, of the sets of rows that its metrics are about.
    """
    groups: dict[tuple[str, str, str], list[tuple[PrincipalId, Score]]] = defaultdict(list)
    for edge, own in sorted(scores.items()):
        for score in own:
            groups[(score.stage, score.split, score.name)].append((edge, score))
    pooled = {rows: _pooled(found) for rows, found in _added(scores, tallies).items()}
    return tuple(_combine(found, pooled.get((stage, split))) for (stage, split, _), found in sorted(groups.items()))


def confusions(
    scores: Mapping[PrincipalId, Sequence[Score]], tallies: Mapping[PrincipalId, Sequence[Tally]]
) -> tuple[Confusion, ...]:
    """The cohort's confusion matrices, of the sets of rows of which every edge sent one; see ``combine``."""
    found = []
    for (stage, split), own in sorted(_added(scores, tallies).items()):
        counts = classes.confusion([tally.classes for tally in own if tally.classes is not None])
        if counts:
            found.append(Confusion(split=split, stage=stage, counts=counts))
    return tuple(found)


def _added(
    scores: Mapping[PrincipalId, Sequence[Score]], tallies: Mapping[PrincipalId, Sequence[Tally]]
) -> dict[_Rows, list[Tally]]:
    """Tallies by set of rows, if every edge that has rows of it sent a sound one, about just those."""
    said: dict[_Rows, dict[PrincipalId, Tally]] = defaultdict(dict)
    for edge, own in sorted(tallies.items()):
        for tally in own:
            said[(tally.stage, tally.split)][edge] = tally
    counts: dict[_Rows, dict[PrincipalId, set[int]]] = defaultdict(lambda: defaultdict(set))
    for edge, metrics in scores.items():
        for score in metrics:
            if score.count:
                counts[(score.stage, score.split)][edge].add(score.count)
    return {
        rows: list(found.values())
        for rows, found in said.items()
        if all(map(is_sound, found.values()))
        and fit_together(list(found.values()))
        and {edge: {tally.count} for edge, tally in found.items()} == counts[rows]
    }


def _pooled(tallies: Sequence[Tally]) -> _Pooled:
    of_classes = [tally.classes for tally in tallies if tally.classes is not None]
    return classes.Pooled.of(of_classes) if of_classes else numbers.Pooled.of(tallies)


def _combine(found: list[tuple[PrincipalId, Score]], pooled: _Pooled | None) -> FederatedScore:
    found = [(edge, score) for edge, score in found if score.count] or found
    first = found[0][1]
    if pooled is None:
        return _averaged(found)
    try:
        exact, reason = _computed(first.name, pooled), None
    except Missing as missing:
        exact, reason = None, str(missing)
    except Unknown:
        return _averaged(found)
    return FederatedScore(
        name=first.name,
        split=first.split,
        stage=first.stage,
        value=None if exact is None else exact.value,
        reason=reason,
        count=pooled.count,
        method=BOUNDED if exact is not None and exact.within else POOLED,
        within=exact.within if exact is not None and exact.within else None,
    )


def _computed(name: str, pooled: _Pooled) -> Found:
    """A metric from tallies.

    Raises:
        Missing: It has no value.
        Unknown: It does not follow from what was sent.
    """
    if isinstance(pooled, classes.Pooled) and name in classes.FORMULAS:
        return classes.FORMULAS[name](pooled)
    if isinstance(pooled, numbers.Pooled) and name in numbers.FORMULAS:
        return numbers.FORMULAS[name](pooled)
    raise Unknown


def _averaged(found: Sequence[tuple[PrincipalId, Score]]) -> FederatedScore:
    """A mean of the edges' values."""
    scores = [score for _, score in found]
    first = scores[0]
    method = EXACT if first.name in ROW_MEANS else ROOT if first.name in ROOT_MEANS else APPROXIMATE
    missing = [f"{edge}: {score.reason or 'no reason given'}" for edge, score in found if score.value is None]
    value, reason = (None, "; ".join(missing)) if missing else (_mean(scores, method), None)
    return FederatedScore(
        name=first.name,
        split=first.split,
        stage=first.stage,
        value=value,
        reason=reason,
        count=sum(score.count for score in scores),
        method=method,
    )


def _mean(scores: Sequence[Score], method: str) -> float | None:
    count = sum(score.count for score in scores)
    if count == 0:
        return None
    if method == ROOT:
        return math.sqrt(math.fsum((s.value or 0.0) ** 2 * s.count for s in scores) / count)
    return math.fsum((s.value or 0.0) * s.count for s in scores) / count
