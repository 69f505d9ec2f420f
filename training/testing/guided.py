"""What strategies add to training, for frameworks that say that they can."""

from __future__ import annotations

from typing import Final

import numpy as np

from training.registry import Guidance, GuidedModel, Learned, Parameters
from training.testing.case import SEED, Case, same

_RATE: Final = 0.125
ONE_STEP: Final[dict[str, object]] = {
    "epochs": 1,
    "batch_size": 1000,
    "optimizer": "sgd",
    "learning_rate": _RATE,
    "momentum": None,
    "weight_decay": None,
}
"""A plan of one step of plain SGD on all rows."""


def it_is_guided_or_says_that_it_is_not(case: Case) -> None:
    """A method of a wrong name must not go unnoticed."""
    assert isinstance(case.model(), GuidedModel) == case.guided


def what_is_learnt_is_among_the_parameters(case: Case) -> None:
    """By the same names, and floats."""
    if not case.guided:
        return
    model = _guided(case)
    first = model.initial(SEED)
    assert model.learnt, "nothing is learnt"
    assert model.learnt <= first.keys(), sorted(model.learnt - first.keys())
    assert all(first[name].dtype.kind == "f" for name in model.learnt)


def nothing_added_is_plain_training(case: Case) -> None:
    """Bit for bit, with zeros and with nothing."""
    if not case.guided:
        return
    first = case.model().initial(SEED)
    plain = case.learn(first)
    assert same(plain, _learned(case, first, Guidance()).parameters)
    steps = case.told(optimizer="sgd", momentum=None)
    zeros = {name: np.zeros_like(first[name]) for name in _guided(case).learnt}
    assert same(steps.learn(first), _learned(steps, first, Guidance(correction=zeros)).parameters)


def a_proximal_term_holds_the_model_near(case: Case) -> None:
    """The more, the nearer."""
    if not case.guided:
        return
    first, slow = case.model().initial(SEED), case.told(optimizer="sgd", learning_rate=0.02)
    learnt = _guided(case).learnt

    def far(proximal: float) -> float:
        after = _learned(slow, first, Guidance(proximal=proximal)).parameters
        return sum(float(np.sum((after[name].astype(float) - first[name]) ** 2)) for name in learnt)

    assert far(20.0) < far(2.0) < far(0.0)


def a_correction_is_added_to_the_gradient(case: Case) -> None:
    """One step of plain SGD ends the rate times the correction away from where it would have ended."""
    if not case.guided:
        return
    first, once = case.model().initial(SEED), case.told(**ONE_STEP)
    correction = {name: np.full_like(first[name], 0.5) for name in _guided(case).learnt}
    plain, moved = (_learned(once, first, Guidance(correction=each)) for each in ({}, correction))
    assert (moved.steps, moved.step_size) == (1, _RATE)
    for name in correction:
        difference = plain.parameters[name].astype(float) - moved.parameters[name]
        np.testing.assert_allclose(difference, 0.5 * _RATE, rtol=1e-2, err_msg=name)


def _guided(case: Case) -> GuidedModel:
    model = case.model()
    assert isinstance(model, GuidedModel)
    return model


def _learned(case: Case, parameters: Parameters, guidance: Guidance) -> Learned:
    return _guided(case).guided(
        parameters, case.rows, case.training, guidance, seed=SEED, cycle=1, report=lambda *_: None
    )
