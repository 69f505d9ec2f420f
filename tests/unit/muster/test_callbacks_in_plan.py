"""What a plan says of callbacks is checked before anything is sent, and said with every direction."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import Invalid
from bus.events.callbacks import Callbacks, Monitor
from muster.submission.callbacks import callbacks_of
from muster.submission.submit import Draft, read_draft
from support.jobs import LOGISTIC
from support.plans import plan_file

REGRESSION = LOGISTIC.replace("LogisticRegression", "Ridge").replace("classification", "regression")
ROWS = "training: {validation_split: 0.2, learning_rate: 0.1}"


def draft(folder: Path, callbacks: str, training: str = ROWS, model: str = LOGISTIC) -> Draft:
    return read_draft(plan_file(folder, training, f"callbacks: {callbacks}", model=model))


@pytest.mark.parametrize(
    ("callbacks", "code", "words"),
    [
        ("{early_stoping: {}}", "plan.field", "did you mean 'early_stopping'?"),
        ("{early_stopping: {}}", "plan.field", "callbacks.early_stopping.monitor is missing"),
        (
            "{early_stopping: {monitor: validation.log_loss, patience: 0}}",
            "plan.field",
            "callbacks.early_stopping.patience: input should be greater than or equal to 1",
        ),
        ("{early_stopping: {monitor: validation.log_loss, min_delta: -1}}", "plan.field", "min_delta"),
        ("{early_stopping: {monitor: validation.log_loss, min_delta: .inf}}", "plan.field", "finite"),
        ("{early_stopping: {monitor: validation.log_loss, mode: up}}", "plan.field", "'up' is not known"),
        ("{reduce_on_plateau: {monitor: validation.log_loss, factor: 1}}", "plan.field", "less than 1"),
        ("{reduce_on_plateau: {monitor: validation.log_loss, floor: 0}}", "plan.field", "greater than 0"),
        ("{checkpoint: {keep: first}}", "plan.field", "'first' is not known"),
        ("{early_stopping: {monitor: validation.logloss}}", "plan.callbacks", "did you mean 'validation.log_loss'?"),
        ("{early_stopping: {monitor: log_loss}}", "plan.callbacks", "did you mean 'validation.log_loss'?"),
        ("{early_stopping: {monitor: validation.loss}}", "plan.callbacks", "is no score of tabular_classification"),
        ("{early_stopping: {monitor: ''}}", "plan.callbacks", "expected one of validation.accuracy, validation."),
        ("{early_stopping: {monitor: validation.rmse}}", "plan.callbacks", "is no score of tabular_classification"),
        ("{early_stopping: {monitor: test.accuracy}}", "plan.callbacks", "looked at once, when training is over"),
        ("{early_stopping: {monitor: train.accuracy}}", "plan.callbacks", "not of the global model"),
        (
            "{early_stopping: {monitor: validation.accuracy, mode: min}}",
            "plan.callbacks",
            "callbacks.early_stopping.mode: validation.accuracy is best where it is highest: leave mode out",
        ),
        ("{checkpoint: {keep: best}}", "plan.callbacks", "it says what 'best' goes by"),
        ("{checkpoint: {monitor: validation.accuracy}}", "plan.callbacks", "goes with keep: best"),
        ("{checkpoint: {keep: best, monitor: test.accuracy}}", "plan.callbacks", "callbacks.checkpoint.monitor"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, callbacks: str, code: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        draft(tmp_path, callbacks)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_what_the_plan_leaves_out_is_named_all_at_once(tmp_path: Path) -> None:
    both = "{early_stopping: {monitor: validation.f1}, reduce_on_plateau: {monitor: validation.f1}}"
    with pytest.raises(Invalid) as caught:
        draft(tmp_path, both, "training: {epochs: 2}")
    assert str(caught.value).count("set training.validation_split to a share of the rows") == 2
    assert "lowers training.learning_rate, and the plan has none" in str(caught.value)


def test_a_metric_of_numbers_is_for_numbers(tmp_path: Path) -> None:
    watched = draft(tmp_path, "{early_stopping: {monitor: validation.rmse}}", model=REGRESSION)
    assert watched.plan.callbacks.early_stopping is not None
    with pytest.raises(Invalid, match="is no score of tabular_regression"):
        draft(tmp_path, "{early_stopping: {monitor: validation.accuracy}}", model=REGRESSION)


def test_it_is_said_with_every_direction(tmp_path: Path) -> None:
    wanted = (
        "{early_stopping: {monitor: validation.log_loss, patience: 4, min_delta: 0.5}, terminate_on_nan: true, "
        "reduce_on_plateau: {monitor: validation.accuracy}, checkpoint: {keep: best, monitor: validation.roc_auc}}"
    )
    found = draft(tmp_path, wanted)
    said = callbacks_of(found.plan.callbacks, found.header.category)
    assert said.early_stopping is not None
    assert said.early_stopping.monitor == Monitor(split="validation", name="log_loss", higher=False)
    assert (said.early_stopping.patience, said.early_stopping.min_delta) == (4, 0.5)
    assert said.reduce_on_plateau is not None
    assert (said.reduce_on_plateau.monitor.higher, said.reduce_on_plateau.floor) == (True, 0.001)
    assert str(said.best) == "validation.roc_auc"
    assert said.terminate_on_nan


def test_what_is_left_out_decides_nothing(tmp_path: Path) -> None:
    plain = read_draft(plan_file(tmp_path, ROWS))
    assert callbacks_of(plain.plan.callbacks, plain.header.category) == Callbacks()
