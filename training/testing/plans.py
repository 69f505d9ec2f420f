"""What a plan says is done or refused, and what goes wrong has a name."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from training.categories.tabular import reductions_of
from training.registry import Rows
from training.schedules import Constant, Polynomial, Step
from training.testing.case import SEED, Case, refusal, same
from training.weights import MEAN, STATISTIC, check_weights, write_weights

_FIELDS: Final[Mapping[str, object]] = {
    "learning_rate": 0.003,
    "batch_size": 16,
    "momentum": 0.7,
    "weight_decay": 0.2,
    "optimizer": "adagrad",
    "gradient_clip": 0.01,
}
_MOST_BYTES: Final = 2**30


def an_object_of_something_else_is_refused(case: Case) -> None:
    """What the model file makes may be anything."""
    error = refusal(lambda: case.handled(lambda _: object()))
    assert error is not None, "an object that is no model was taken for one"
    assert error.code == "model.estimator", error.code


def every_field_is_used_or_refused(case: Case) -> None:
    """What a plan says is never ignored: it changes the outcome, or is an error that names the field."""
    first = case.model().initial(SEED)
    usual = case.learn(first)
    for field, value in {**_FIELDS, "loss": "huber" if case.classes is None else "multi_margin"}.items():
        told = case.told(**{field: value})
        error = refusal(lambda told=told: told.learn(first))  # type: ignore[misc]
        if error is None:
            assert not same(usual, told.learn(first)), f"training.{field} is ignored"
        else:
            assert error.code == "plan.training", f"training.{field}: {error.code}"
            assert field in error.message, f"training.{field} is refused without being named: {error.message}"


def a_clipped_gradient_moves_no_further(case: Case) -> None:
    """One step of plain SGD ends the rate times the clip away if the gradient is longer, and where it did if not."""
    first = case.model().initial(SEED)
    once = case.told(epochs=1, batch_size=1000, optimizer="sgd", learning_rate=0.5, momentum=None, weight_decay=None)
    if refusal(lambda: once.told(gradient_clip=1.0).learn(first)) is not None:
        return
    learnt = getattr(case.model(), "learnt", first.keys())

    def far(clip: float | None) -> float:
        after = once.told(gradient_clip=clip).learn(first)
        return math.sqrt(sum(float(np.sum((after[name].astype(float) - first[name]) ** 2)) for name in learnt))

    assert far(None) > 0.5 * 0.02, "the gradient is too short to say anything"
    np.testing.assert_allclose(far(0.02), 0.5 * 0.02, rtol=1e-2)
    np.testing.assert_allclose(far(1e6), far(None), rtol=1e-6)


def a_schedule_goes_over_the_whole_experiment(case: Case) -> None:
    """A rate that does not change is that number; one that falls with each cycle is that cycle's number."""
    first, half = case.model().initial(SEED), Step(schedule="step", rate=0.0625, factor=0.5, every=case.training.epochs)
    error = refusal(lambda: case.told(learning_rate=half).learn(first))
    if error is not None:
        assert error.code == "plan.training", error.code
        assert "learning_rate" in error.message, error.message
        return
    number = case.told(learning_rate=0.0625)
    assert same(number.learn(first), case.told(learning_rate=Constant(schedule="constant", rate=0.0625)).learn(first))
    for cycle, rate in ((1, 0.0625), (2, 0.03125)):
        falling = case.told(learning_rate=half).learn(first, cycle=cycle)
        assert same(falling, case.told(learning_rate=rate).learn(first, cycle=cycle)), f"not {rate} in cycle {cycle}"
    within = Polynomial(schedule="polynomial", rate=0.0625, over=1.0, end=1e-9)
    assert not same(case.told(learning_rate=within, epochs=1).learn(first), number.told(epochs=1).learn(first))


def what_is_frozen_stays(case: Case) -> None:
    """It does not move and is no direction to go; a pattern that matches nothing is refused with what there is."""
    name = min(getattr(case.model(), "learnt", {"coef"}))
    told = case.told(freeze=(name,))
    error = refusal(told.model)
    if error is not None:
        assert error.code == "plan.training", error.code
        assert "freeze" in error.message, error.message
        return
    first = told.model().initial(SEED)
    after = told.learn(first)
    assert first[name].tobytes() == after[name].tobytes(), f"{name} is frozen and moved"
    assert not same(first, after), "what is not frozen did not move"
    assert reductions_of(told.model(), first, MEAN)[name] == STATISTIC, f"{name} is sent as learnt"
    unknown = refusal(case.told(freeze=("no such *",)).model)
    assert unknown is not None, "a pattern that matches nothing was ignored"
    assert "no such *" in unknown.message, unknown.message
    assert name in unknown.message, unknown.message


def an_unknown_optimizer_is_refused(case: Case) -> None:
    """A later release's plan may name one."""
    told = case.told(optimizer="no_such_optimizer")
    error = refusal(lambda: told.learn(case.model().initial(SEED)))
    assert error is not None, "an optimizer that does not exist was ignored"
    assert error.code == "plan.training", error.code
    assert "optimizer" in error.message, error.message


def what_is_not_finite_is_named(case: Case) -> None:
    """Cells that are no numbers or far too large give finite parameters, or an error: at once, or before they leave."""
    for cell in (np.nan, 1e200):
        error = refusal(lambda cell=cell: _leaving(case, cell))  # type: ignore[misc]
        if error is None:
            assert np.isfinite(cell), "a cell that is no number left no trace"
            continue
        assert error.code in {"weights.finite", "model.training"}, error.code
        if error.code == "weights.finite":
            assert "'model." in error.message, f"no tensor is named: {error.message}"


def _leaving(case: Case, cell: float) -> None:
    """Train with a cell, and check the weights as an edge does before they leave."""
    inputs, whole = case.rows.inputs.copy(), case.first()
    inputs[3, 1] = cell
    after = case.learn(whole.part("model"), rows=Rows(inputs, case.rows.target))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        write_weights(path, whole.replaced("model", after))
        check_weights(path, reference=None, max_bytes=_MOST_BYTES)
