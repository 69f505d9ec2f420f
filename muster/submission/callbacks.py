"""The plan's callbacks as the coordinator is told of them: every monitor with its direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.events import callbacks as told
from bus.events.metrics import METRICS, Better, Problem
from training.callbacks import Callbacks

_PROBLEMS: Final = {"tabular_classification": Problem.CLASSES, "tabular_regression": Problem.NUMBERS}


def watchable(category: str) -> Mapping[str, bool]:
    """Metric that training cycles tell of such a task -> whether a higher value is the better one."""
    return {
        metric.name: metric.better is Better.HIGHER
        for metric in METRICS.values()
        if metric.in_training and metric.problem is _PROBLEMS[category]
    }


def callbacks_of(asked: Callbacks, category: str) -> told.Callbacks:
    """What is said of callbacks that were checked; see ``training.callbacks.Callbacks.check``."""
    higher = watchable(category)

    def monitor(text: str) -> told.Monitor:
        split, _, name = text.partition(".")
        return told.Monitor(split=split, name=name, higher=higher[name])

    stopping, plateau, best = asked.early_stopping, asked.reduce_on_plateau, asked.checkpoint.monitor
    return told.Callbacks(
        early_stopping=stopping
        and told.EarlyStopping(
            monitor=monitor(stopping.monitor), patience=stopping.patience, min_delta=stopping.min_delta
        ),
        reduce_on_plateau=plateau
        and told.ReduceOnPlateau(
            monitor=monitor(plateau.monitor),
            factor=plateau.factor,
            patience=plateau.patience,
            min_delta=plateau.min_delta,
            floor=plateau.floor,
        ),
        best=monitor(best) if best is not None else None,
        terminate_on_nan=asked.terminate_on_nan,
    )
