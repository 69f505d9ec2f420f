"""What a vendor's own loss does, for frameworks that take one from a file; others refuse it before they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from training.registry import LossModel
from training.testing.case import SEED, Case, refusal
from training.testing.guided import ONE_STEP

_NONE: Final[dict[str, Callable[[Any, Any], object]]] = {
    "the outputs": lambda outputs, _: outputs,
    "a number that is always the same": lambda _, __: 1.0,
    "nothing": lambda _, __: None,
}
_ROWS: Final = (1, 2, 20)


def twice_the_loss_goes_twice_as_far(case: Case) -> None:
    """In one step of plain SGD."""
    if not _takes_losses(case):
        return
    once = case.told(**ONE_STEP)
    first, model = once.model().initial(SEED), once.model()
    plain = once.learn(first)
    assert isinstance(model, LossModel)
    model.use_loss(case.own_loss())
    twice = once.learn(first, model=model)
    assert any(np.any(plain[name] != first[name]) for name in model.learnt), "nothing was learnt"
    for name in model.learnt:
        moved = plain[name].astype(float) - first[name]
        np.testing.assert_allclose(twice[name].astype(float) - first[name], 2 * moved, rtol=1e-2, atol=1e-5)


def a_loss_can_be_tried(case: Case) -> None:
    """On any number of rows; what is no loss is found out, and named."""
    if not _takes_losses(case):
        return
    model = case.model()
    assert isinstance(model, LossModel)
    model.use_loss(case.own_loss())
    for rows in _ROWS:
        assert np.isfinite(model.try_loss(rows)), f"of {rows} rows"
    for what, wrong in _NONE.items():
        model.use_loss(wrong)
        error = refusal(lambda: model.try_loss(_ROWS[-1]))
        assert error is not None, f"a loss that gives {what} was taken for one"
        assert error.code == "model.loss", error.code


def _takes_losses(case: Case) -> bool:
    """Whether the framework takes losses from files; then the case brings one."""
    takes = isinstance(case.model(), LossModel)
    assert takes == bool(case.doubled), "a case has a loss file if, and only if, its framework takes one"
    return takes
