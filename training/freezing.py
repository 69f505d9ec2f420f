"""Parameters that a plan keeps as they are. Knows no framework."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from training.errors import model_error
from training.registry import FreezableModel, TabularModel

_SHOWN: Final = 12


def freeze(model: TabularModel, patterns: Sequence[str]) -> None:
    """Keep what is learnt and called as ``patterns`` say from being learnt.

    Args:
        model: Changed in place.
        patterns: As ``fnmatch`` has them, on names without the word ``model`` before them; case matters.

    Raises:
        TrainingError: The model cannot freeze anything, a pattern matches nothing, or nothing is left to learn.
    """
    if not patterns:
        return
    if not isinstance(model, FreezableModel):
        raise model_error(
            "plan.training", f"{model.name} cannot keep parameters: leave training.freeze out of the plan"
        )
    learnt = sorted(model.learnt)
    names: set[str] = set()
    for pattern in patterns:
        found = {name for name in learnt if fnmatchcase(name, pattern)}
        if not found:
            more = f" and {len(learnt) - _SHOWN} more" if len(learnt) > _SHOWN else ""
            raise model_error(
                "plan.training",
                f"training.freeze says {pattern!r}, and nothing that is learnt is called so; known are "
                f"{', '.join(learnt[:_SHOWN])}{more}",
            )
        names |= found
    model.freeze(frozenset(names))
    if not model.learnt:
        raise model_error("plan.training", "training.freeze leaves nothing to learn: name fewer parameters")
