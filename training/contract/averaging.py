"""The mean of updates as a check needs it: one array at a time, in float64.

What the aggregator computes is exact and streams; it may differ in the last place, which no check here depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import model_error
from training.weights import KEEP, SUM, Weights, is_union


def averaged(received: Weights, updates: Sequence[tuple[Weights, int]]) -> Weights:
    """The next global model.

    Args:
        received: What the updates were trained from.
        updates: Each with its number of rows.

    Raises:
        TrainingError: They differ in what must be equal.
    """
    tensors = {name: _combined(name, received, updates) for name in received.tensors}
    return Weights(tensors, received.reductions, received.about)


def _combined(name: str, received: Weights, updates: Sequence[tuple[Weights, int]]) -> NDArray[Any]:
    reduction = received.reductions[name]
    each = [np.asarray(update.tensors[name]) for update, _ in updates]
    if is_union(reduction):
        return np.concatenate([received.tensors[name], *each])
    if reduction == KEEP:
        if any(not np.array_equal(one, each[0]) for one in each[1:]):
            raise model_error(
                "model.averaged", f"two updates differ in {name!r}, which must stay as it was: it cannot be averaged"
            )
        return each[0]
    rows = [1.0 if reduction == SUM else float(count) for _, count in updates]
    total = sum((one.astype(np.float64) * weight for one, weight in zip(each, rows, strict=True)), np.float64(0.0))
    mean: NDArray[Any] = np.asarray(total if reduction == SUM else total / sum(rows))
    return (np.rint(mean) if each[0].dtype.kind in "iu" else mean).astype(each[0].dtype)
