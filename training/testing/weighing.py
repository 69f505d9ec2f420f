"""What weights of classes do, for frameworks that take them; others refuse them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.categories.tabular import train
from training.guidance import Run
from training.registry import Parameters
from training.testing.case import SEED, Case, refusal
from training.testing.guided import ONE_STEP

_HEAVY = 50.0


def weights_of_one_are_no_weights(case: Case) -> None:
    """But for rounding."""
    if not _takes_weights(case):
        return
    plain, ones = _learnt(case), _learnt(case, dict.fromkeys(_labels(case), 1.0))
    for name in plain:
        np.testing.assert_allclose(ones[name], plain[name], rtol=1e-2, atol=1e-3, err_msg=name)


def a_heavy_class_is_predicted_more(case: Case) -> None:
    """For more rows than without its weight, whichever class it is."""
    if not _takes_weights(case):
        return
    for code, label in enumerate(_labels(case)):
        plain, heavy = (_predicted(case, code, weights) for weights in (None, {label: _HEAVY}))
        assert heavy > plain or heavy == plain == len(case.rows.target), f"{label}: {plain} rows, then {heavy}"


def a_step_goes_with_the_weight(case: Case) -> None:
    """One step of plain SGD goes as much further for each further unit of a class's weight."""
    if not case.guided or not _takes_weights(case):
        return
    once, label = case.told(**ONE_STEP), _labels(case)[0]
    one, two, three = (_learnt(once, {label: weight}) for weight in (1.0, 2.0, 3.0))
    moved = {name: two[name].astype(float) - one[name] for name in _learnt_names(case)}
    assert any(np.any(each) for each in moved.values()), "the weight of a class changes nothing"
    for name, each in moved.items():
        np.testing.assert_allclose(three[name].astype(float) - two[name], each, rtol=1e-2, atol=1e-5, err_msg=name)


def _takes_weights(case: Case) -> bool:
    """Whether the model goes by weights of classes; it says so if not."""
    error = refusal(lambda: _learnt(case, dict.fromkeys(_labels(case) or ("a",), 1.0)))
    if error is None:
        return True
    assert error.code == "plan.training", error.code
    assert "class_weights" in error.message, f"class_weights are refused without being named: {error.message}"
    return False


def _learnt(case: Case, weights: Mapping[str, float] | None = None) -> Parameters:
    told, first = case.told(class_weights=weights), case.first()
    return train(case.table, first, case.model(), case.task, _run(told)).weights.part("model")


def _predicted(case: Case, code: int, weights: Mapping[str, float] | None) -> int:
    """How many rows are taken for a class after training."""
    first, model = case.first(), case.model()
    told = case.told(class_weights=weights)
    after = first.grown(train(case.table, first, model, case.task, _run(told)).weights)
    return int((model.classes(after.part("model"), case.rows.inputs).codes == code).sum())


def _run(case: Case) -> Run:
    return Run(case.training, SEED, 1, lambda *_: None)


def _labels(case: Case) -> tuple[str, ...]:
    return case.task.classes or ()


def _learnt_names(case: Case) -> frozenset[str]:
    return getattr(case.model(), "learnt", frozenset())
