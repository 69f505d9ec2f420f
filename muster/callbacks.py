"""The plan's callbacks as the coordinator is told of them: every monitor with its direction."""

from __future__ import annotations

from bus.events import callbacks as told
from training.callbacks import Callbacks, higher


def callbacks_of(asked: Callbacks, category: str) -> told.Callbacks:
    """What is said of callbacks that were checked; see ``training.callbacks.Callbacks.check``."""

    def monitor(text: str) -> told.Monitor:
        split, _, name = text.partition(".")
        return told.Monitor(split=split, name=name, higher=higher(text, category))

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
