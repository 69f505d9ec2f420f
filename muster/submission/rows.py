"""How many rows there are to learn from at each edge, and what share of them can be kept for validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from bus.events.base import PrincipalId
from bus.events.datasets import Split
from muster.submission.columns import Holders
from training.dataset import TRAIN
from training.splitting import least_share

Rows = Mapping[PrincipalId, Split]
"""Edge -> its training rows."""


class LeastSplit(BaseModel):
    """The smallest ``training.validation_split`` above 0; see ``training.splitting``."""

    model_config = ConfigDict(frozen=True)

    share: float
    """0 if no edge has two rows of a class: then there can be no validation."""
    edge: PrincipalId
    """The edge that needs so much."""
    rows: int
    """Its training rows."""


def total(splits: Iterable[Split]) -> Split:
    """Their rows together."""
    parts = list(splits)
    classes: Counter[str] = Counter()
    for part in parts:
        classes.update(part.classes or {})
    return Split(rows=sum(part.rows for part in parts), classes=dict(sorted(classes.items())) or None)


def registered(holders: Holders) -> Rows:
    """All training rows that the edges registered."""
    return {edge: body.splits.get(TRAIN, Split(rows=0)) for edge, body in sorted(holders.items())}


def least_split(rows: Rows) -> LeastSplit:
    """What the edge that needs most needs."""
    needs = {edge: least_share(_counts(split)) for edge, split in rows.items()}
    edge = max(needs, key=lambda each: needs[each])
    return LeastSplit(share=needs[edge], edge=edge, rows=rows[edge].rows)


def _counts(split: Split) -> list[int]:
    return [split.rows] if split.classes is None else list(split.classes.values())
