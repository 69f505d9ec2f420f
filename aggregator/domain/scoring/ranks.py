"""Metrics of rankings from histograms: where they can lie, whatever the order within a bin.

Bins are in the order of the scores, so two rows in different bins are ordered as they were; two in one bin may be in
either order, or equal. A metric's value is the middle of what that leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from aggregator.domain.scoring.result import Found, middle, together
from bus.events.tallies import Ranking

_STEPS: Final = 64
"""Parts in which the positives of a bin are taken together."""


@dataclass(frozen=True)
class Ranked:
    """One class against the others.

    Attributes:
        bins: Positives and negatives of each bin that has any, the least likely first.
        positives: Rows of the class; at least 1.
        negatives: All others; at least 1.
    """

    bins: tuple[tuple[int, int], ...]
    positives: int
    negatives: int


def ranked(rankings: Iterable[Ranking]) -> Ranked:
    """The sum of the edges' histograms of one class."""
    said = list(rankings)
    positives = together(ranking.positives for ranking in said)
    negatives = together(ranking.negatives for ranking in said)
    places = sorted(positives | negatives)
    return Ranked(tuple((positives[place], negatives[place]) for place in places), positives.total(), negatives.total())


def area(ranking: Ranked) -> Found:
    """Area under the ROC curve: the share of pairs of a positive and a negative that are in the right order.

    Pairs within a bin count half; they are what is not known (Mann and Whitney 1947, Hanley and McNeil 1982).
    """
    right = open_ = below = 0
    for positives, negatives in ranking.bins:
        right += positives * below
        open_ += positives * negatives
        below += negatives
    pairs = 2 * ranking.positives * ranking.negatives
    return Found((2 * right + open_) / pairs, open_ / pairs)


def concentration(ranking: Ranked) -> Found:
    """Gini's coefficient: twice the area between the cumulative gains curve and the diagonal.

    That is (2 AUC - 1) times the share of negatives, which is what a perfect ranking has.
    """
    own, share = area(ranking), ranking.negatives / (ranking.positives + ranking.negatives)
    return Found((2.0 * own.value - 1.0) * share, 2.0 * own.within * share)


def average_precision(ranking: Ranked) -> Found:
    """Area under the precision-recall curve: the mean over positives of the precision at their score.

    At a positive's score all rows of higher bins are above it, and of its own bin at least the positives before it. It
    is highest if no negative of the bin is above it and all positives are tied, lowest if all negatives come first. The
    latter grows from positive to positive, so that steps of several take the first of each.
    """
    most, least = [], []
    true = false = 0
    for positives, negatives in reversed(ranking.bins):
        if positives:
            most.append(positives * ((true + positives) / (true + positives + false)))
            least.append(_worst(true, false + negatives, positives))
        true += positives
        false += negatives
    return middle(math.fsum(least) / ranking.positives, math.fsum(most) / ranking.positives)


def _worst(true: int, false: int, positives: int) -> float:
    """At least the sum of (true + i) / (true + i + false) over i from 1 to ``positives``."""
    steps = min(positives, _STEPS)
    begins = [positives * step // steps for step in range(steps + 1)]
    parts = pairwise(begins)
    return math.fsum((end - begin) * ((true + begin + 1) / (true + begin + 1 + false)) for begin, end in parts)
