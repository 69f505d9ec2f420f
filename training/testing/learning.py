"""How a model learns and predicts: from given parameters, reproducibly, and leaving nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.categories.tabular import train
from training.guidance import Run
from training.registry import Parameters, Rows
from training.scores import Score
from training.testing.case import SEED, Case, form, same
from training.weights import check_weights, read_weights, write_weights

_MOST_BYTES = 2**30


def parameters_are_arrays_of_its_own(case: Case) -> None:
    """Neither training nor predicting changes arrays that were given or taken before."""
    model = case.model()
    first = model.initial(SEED)
    assert first, "it has no parameters"
    assert all(isinstance(each, np.ndarray) and each.dtype.kind in "fiub" for each in first.values()), form(first)
    before = {name: each.copy() for name, each in first.items()}
    case.learn(first, model=model)
    assert same(first, before), "what it was given, or what it gave before, was changed"


def first_model_follows_from_the_seed(case: Case) -> None:
    """The same seed, the same beginning."""
    assert same(case.model().initial(SEED), case.model().initial(SEED))


def training_changes_values_and_keeps_their_form(case: Case) -> None:
    """Something moves, no name, shape or type does, and everything is finite."""
    first = case.model().initial(SEED)
    after = case.learn(first)
    assert not same(first, after), "nothing was learnt"
    assert form(first) == form(after)
    assert all(np.isfinite(each).all() for each in after.values())


def same_work_gives_the_same_bits(case: Case) -> None:
    """Whatever the model was used for before."""
    first = case.model().initial(SEED)
    once = case.learn(first)
    assert same(once, case.learn(first))
    model = case.model()
    case.learn(once, model=model, cycle=2)
    model.initial(SEED)
    assert same(once, case.learn(first, model=model)), "something of an earlier training was left"


def order_of_rows_follows_from_seed_and_cycle(case: Case) -> None:
    """Where rows are taken in batches and shuffled."""
    if "batch_size" not in case.training.model_fields_set:
        return
    first = case.model().initial(SEED)
    once = case.learn(first)
    assert not same(once, case.learn(first, seed=SEED + 1)), "the seed changes nothing"
    assert not same(once, case.learn(first, cycle=2)), "the cycle changes nothing"
    still = case.told(shuffle=False, batch_size=2 * len(case.rows.target))
    assert not same(still.learn(first), once), "shuffle and batch_size change nothing"


def training_makes_predictions_better(case: Case) -> None:
    """After two cycles: well above what one class gets, or well below the first error."""
    model, rows = case.model(), case.rows
    first = model.initial(SEED)
    after = case.learn(case.learn(first), cycle=2)
    if case.classes is None:
        error = [float(np.mean((model.values(each, rows.inputs) - rows.target) ** 2)) for each in (first, after)]
        assert error[1] < 0.6 * error[0], f"squared error {error[0]:g}, after two cycles {error[1]:g}"
        return
    right = [float(np.mean(model.classes(each, rows.inputs).codes == rows.target)) for each in (first, after)]
    assert right[1] > max(0.6, right[0]), f"accuracy {right[0]:g}, after two cycles {right[1]:g}"


def second_cycle_goes_on_from_received_weights(case: Case) -> None:
    """A fresh process that reads the weights from a safetensors file goes on as if it had never stopped."""
    model = case.model()
    whole = case.first(model)
    once = case.learn(whole.part("model"), model=model)
    straight = case.learn(once, model=model, cycle=2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        write_weights(path, whole.replaced("model", once))
        check_weights(path, reference=None, max_bytes=_MOST_BYTES)
        received = read_weights(path).part("model")
    assert same(once, received), "the parameters are not what a file gives back"
    assert same(straight, case.learn(received, cycle=2)), "what the second cycle needs is not all in the parameters"
    anew = case.learn(whole.part("model"), cycle=2)
    assert not same(straight, anew), "it makes no difference from which parameters training goes on"


def predictions_have_one_form(case: Case) -> None:
    """For no rows, one and many: codes with probabilities that agree with them, or numbers."""
    model, rows = case.model(), case.rows
    after = case.learn(model.initial(SEED))
    for count in (0, 1, len(rows.target)):
        if case.classes is None:
            assert model.values(after, rows.inputs[:count]).shape == (count,)
            continue
        found = model.classes(after, rows.inputs[:count])
        assert found.codes.shape == (count,)
        if found.probabilities is not None:
            assert found.probabilities.shape == (count, case.classes)
            np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0)
            assert (found.probabilities.argmax(axis=1) == found.codes).all()


def predicting_is_not_training(case: Case) -> None:
    """Predictions are the same each time, and a training after them is as one without."""
    model = case.model()
    first = model.initial(SEED)
    once, again = (_predicted(case, first) for _ in range(2))
    assert np.array_equal(once, again)
    predict = model.values if case.classes is None else model.classes
    predict(first, case.rows.inputs)
    assert same(case.learn(first, model=model), case.learn(first))


def _predicted(case: Case, parameters: Parameters) -> NDArray[Any]:
    model = case.model()
    if case.classes is None:
        return model.values(parameters, case.rows.inputs)
    return model.classes(parameters, case.rows.inputs).codes


def progress_is_told_by_epochs(case: Case) -> None:
    """In order, and to the end."""
    told: list[tuple[int, int, float | None]] = []
    case.learn(case.model().initial(SEED), report=lambda *each: told.append(each))
    assert told, "nothing is reported"
    assert told[-1][:2] == (case.training.epochs, case.training.epochs)
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told})


def an_edge_may_have_two_rows_of_one_class(case: Case) -> None:
    """What it learns has the form that all edges' models have."""
    model, rows = case.model(), case.rows
    few = Rows(rows.inputs[:2], rows.target[:2] * 0)
    assert form(case.learn(model.initial(SEED), rows=few)) == form(model.initial(SEED))


def validation_rows_are_the_same_in_every_cycle(case: Case) -> None:
    """The same received model has the same scores on them, whichever cycle it is."""
    kept = case.told(validation_split=0.25)
    first = kept.first()

    def received(cycle: int) -> list[Score]:
        run = Run(kept.training, SEED, cycle, lambda *_: None)
        found = train(kept.table, first, kept.model(), kept.task, run)
        assert found.examples < len(kept.rows.target)
        return [score for score in found.scores if (score.split, score.stage) == ("validation", "received")]

    assert received(1), "no score on validation rows"
    assert received(1) == received(2)
