"""Metrics of edges, combined as the aggregator does, beside those of all rows in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aggregator.domain.scores import combine, confusions
from bus.events.base import PrincipalId
from bus.events.tallies import Confusion, Tally
from bus.events.weights import FederatedScore, Score
from training.scores import Scored, Where

WHERE = Where("test", "received")
Scoring = Callable[[NDArray[np.intp]], Scored]
"""What is said of some of the rows."""


def edges_of(rows: int, seed: int, count: int) -> list[NDArray[np.intp]]:
    """``rows`` dealt out to ``count`` edges by chance, some of which may get none."""
    owner = np.random.default_rng(seed).integers(0, count, rows)
    return [np.flatnonzero(owner == edge) for edge in range(count)]


def said(parts: Sequence[Scored]) -> tuple[dict[PrincipalId, list[Score]], dict[PrincipalId, list[Tally]]]:
    """The edges' metrics and tallies as they are on the bus."""
    names = [PrincipalId(f"edge-{number}") for number in range(len(parts))]
    scores = [[Score(**score.model_dump()) for score in part.scores] for part in parts]
    tallies = [[Tally.model_validate(part.tally.model_dump())] if part.tally else [] for part in parts]
    return dict(zip(names, scores, strict=True)), dict(zip(names, tallies, strict=True))


def federated(parts: Sequence[Scored]) -> dict[str, FederatedScore]:
    """The cohort's metrics by name."""
    return {score.name: score for score in combine(*said(parts))}


def confusion(parts: Sequence[Scored]) -> tuple[Confusion, ...]:
    """The cohort's confusion matrices."""
    return confusions(*said(parts))
