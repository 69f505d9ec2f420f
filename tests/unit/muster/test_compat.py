"""The older SDK's setters: what each means in a plan, what is refused, and what is said of what has no meaning."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import muster
from bus.errors import Invalid
from bus.events.base import DatasetId, Digest, PrincipalId
from bus.events.datasets import Column, ColumnKind, DatasetRegistered, Split
from muster.compat import TrainingPlan
from muster.compat.setting import SETTER
from muster.sdk.blocking import Federation
from muster.sdk.link import Link
from muster.sdk.model import Model
from muster.submission.linking import link, plan_for
from muster.submission.vetting import Subject
from training.contract.report import Report

MODELS = Path(__file__).parents[3] / "examples" / "models"
COLUMNS = {"age": ColumnKind.REAL, "bmi": ColumnKind.REAL, "height": ColumnKind.REAL}
Classes = dict[str, int]


def held(edge: str, classes: Classes | None) -> DatasetRegistered:
    kind = ColumnKind.REAL if classes is None else ColumnKind.TEXT
    rows = 20 if classes is None else sum(classes.values())
    columns = {**COLUMNS, "y": kind}
    return DatasetRegistered(
        dataset=DatasetId("d"),
        edge=PrincipalId(edge),
        revision=1,
        category="tabular_regression" if classes is None else "tabular_classification",
        target="y",
        columns=tuple(Column(name=name, kind=each, sql_type="X", nulls=0) for name, each in columns.items()),
        splits={"train": Split(rows=rows, classes=classes), "test": Split(rows=4, classes=classes and {"a": 4})},
        digest=Digest("sha256:0"),
    )


def training_plan(model: str, federation: object = None) -> TrainingPlan:
    subject = Subject.read(MODELS / model)
    numbers = subject.header.category == "tabular_regression"
    sizes: list[Classes | None] = [None, None] if numbers else [{"a": 5, "b": 5}, {"a": 30, "b": 10}]
    holders = {PrincipalId(f"edge-{place}"): held(f"edge-{place}", each) for place, each in enumerate(sizes)}
    found = link(subject.header, plan_for(subject.path, "d"), {DatasetId("d"): holders})
    return TrainingPlan(cast("Federation", federation), Link(Model(subject, Report()), found))


TORCH = "torch/mlp_classifier.py"
Setting = Callable[[TrainingPlan], Any]


def test_defaults_are_the_older_ones() -> None:
    assert training_plan(TORCH).plan() == {
        "name": "mlp_classifier on d",
        "model": str(MODELS / TORCH),
        "data": {"dataset": "d", "target": "y"},
        "cycles": 1,
        "training": {
            "epochs": 10,
            "batch_size": 16,
            "learning_rate": 0.001,
            "validation_split": pytest.approx(0.2, abs=0.1),
            "optimizer": "sgd",
        },
    }
    assert training_plan("sklearn/logistic_classifier.py").plan()["training"].keys() == {"validation_split"}


@pytest.mark.parametrize(
    ("say", "section", "wanted"),
    [
        (lambda p: p.experimentName("x"), "name", "x"),
        (lambda p: p.objective("why"), "objective", "why"),
        (lambda p: p.epochs(50), "training.epochs", 50),
        (lambda p: p.cycles(3), "cycles", 3),
        (lambda p: p.validationSplit(0.4), "training.validation_split", 0.4),
        (lambda p: p.validation_split(0), "training.validation_split", pytest.approx(0.1, abs=0.1)),
        (lambda p: p.validation_split(0.9), "training.validation_split", 0.5),
        (lambda p: p.seed(True), "seed", 1),
        (lambda p: p.batchSize(8), "training.batch_size", 8),
        (lambda p: p.optimizer("adam"), "training.optimizer", "adam"),
        (lambda p: p.learningRate({"type": "constant", "value": 0.0001}), "training.learning_rate", 0.0001),
        (
            lambda p: p.learning_rate(
                {"type": "adaptive", "value": {"schedule": "cosine", "rate": 0.1, "over": 20, "end": 0.001}}
            ),
            "training.learning_rate.schedule",
            "cosine",
        ),
        (
            lambda p: p.learningRate({"type": "custom", "value": {"name": lambda t: 0.1 / (1 + t), "epoch": 3}}),
            "training.learning_rate.rates",
            [0.05, 0.1 / 3],
        ),
        (lambda p: p.lossFunction({"type": "standard", "value": "crossentropy"}), "training.loss", "cross_entropy"),
        (lambda p: p.trainingClasses({"a": 20, "b": 6}), "data.rows.classes", {"a": 20, "b": 6}),
        (lambda p: p.layersFreeze(["layers.0"]), "training.freeze", ["layers.0*"]),
        (lambda p: p.class_weights("balanced"), "training.class_weights", "balanced"),
        (lambda p: p.aggregation_strategy("fedprox", proximal_mu=0.1), "strategy.parameters", {"mu": 0.1}),
        (
            lambda p: p.aggregation_strategy("krum", num_byzantine=1, num_clients_to_keep=3),
            "strategy",
            {"name": "multikrum", "parameters": {"f": 1, "keep": 3}},
        ),
        (
            lambda p: p.earlystopCallback("val_loss", patience=10),
            "callbacks.early_stopping",
            {"monitor": "validation.log_loss", "patience": 10},
        ),
        (
            lambda p: p.reducelrCallback("accuracy", factor=0.1, patience=5, min_delta=0.0001),
            "callbacks.reduce_on_plateau",
            {"monitor": "validation.accuracy", "factor": 0.1, "patience": 5, "min_delta": 0.0001},
        ),
        (
            lambda p: p.modelCheckpointCallback("val_accuracy", True),
            "callbacks.checkpoint",
            {"keep": "best", "monitor": "validation.accuracy"},
        ),
        (lambda p: p.terminateOnNaNCallback(), "callbacks.terminate_on_nan", True),
        (lambda p: p.scaler("RobustScaler"), "preprocessing.scale", "robust"),
        (lambda p: p.imputation_strategy("median"), "preprocessing.impute", "median"),
        (lambda p: p.feature_interaction({"feature_list": ["age"], "method": "exclude"}), "data.exclude", ["age"]),
    ],
)
def test_a_setter_is_a_field_of_the_plan(say: Setting, section: str, wanted: object) -> None:
    plan = training_plan(TORCH)
    say(plan)
    assert plan.refused == {}
    found: Any = plan.plan()
    for name in section.split("."):
        found = found[name]
    assert found == wanted


@pytest.mark.parametrize(
    ("name", "say", "message"),
    [
        ("experiment_name", lambda p: p.experimentName(""), "name"),
        ("epochs", lambda p: p.epochs(0), "from 1 to 1000, found 0"),
        ("epochs", lambda p: p.epochs(2.5), "whole number"),
        ("cycles", lambda p: p.cycles(101), "from 1 to 100"),
        ("cycles", lambda p: p.cycles(True), "whole number"),
        ("validation_split", lambda p: p.validation_split(0.001), "leaves edge-0, with 10 rows"),
        ("validation_split", lambda p: p.validation_split("a"), "expected a share"),
        ("optimizer", lambda p: p.optimizer("adm"), "did you mean 'adam'"),
        ("optimizer", lambda p: p.optimizer("ftrl"), "not known"),
        ("learning_rate", lambda p: p.learningRate(0.1), '"type": "constant"'),
        ("learning_rate", lambda p: p.learningRate({"type": "constant", "value": -1}), "learning_rate"),
        (
            "learning_rate",
            lambda p: p.learningRate({"type": "adaptive", "value": {"schedular": "CosineDecay", "decay_steps": 3}}),
            '"schedule": "cosine"',
        ),
        ("learning_rate", lambda p: p.learningRate({"type": "custom", "value": {"name": len}}), "for how many"),
        (
            "learning_rate",
            lambda p: p.learningRate({"type": "custom", "value": {"name": len, "epoch": 2}}),
            "the function fails: TypeError",
        ),
        (
            "learning_rate",
            lambda p: p.learningRate({"type": "custom", "value": {"name": lambda t: 1 - t, "epoch": 3}}),
            "greater than 0",
        ),
        ("loss_function", lambda p: p.lossFunction({"type": "standard", "value": "mse"}), "crossentropy"),
        ("loss_function", lambda p: p.lossFunction({"type": "custom", "value": len}), "only a file"),
        ("loss_function", lambda p: p.lossFunction({"type": "custom", "value": "no.py"}), "there is no file no.py"),
        ("training_classes", lambda p: p.trainingClasses({"a": 20}), "for each of a, b"),
        (
            "training_classes",
            lambda p: p.trainingClasses({"a": 5, "b": 6}),
            "rows of 'a': expected a whole number from 6",
        ),
        ("training_classes", lambda p: p.trainingClasses({"a": 36, "b": 6}), "to 35, found 36"),
        ("training_size", lambda p: p.training_size(10), "has classes"),
        ("layers_freeze", lambda p: p.layersFreeze("layers"), "a list of names"),
        ("early_stop_callback", lambda p: p.earlystopCallback("val_f1", 3), "the monitor 'val_f1' is not known"),
        ("early_stop_callback", lambda p: p.earlystopCallback("val_loss", 0), "patience"),
        ("reduce_lr_callback", lambda p: p.reducelrCallback("loss", 2.0, 3), "factor"),
        ("aggregation_strategy", lambda p: p.aggregation_strategy("fedprx"), "did you mean 'fedprox'"),
        ("aggregation_strategy", lambda p: p.aggregation_strategy("fedadam", beta_1=2.0), "beta_1"),
        ("class_weights", lambda p: p.class_weights({"a": -1.0}), "class_weights"),
        ("scaler", lambda p: p.scaler("Normalizer"), "the scaler"),
        ("feature_points", lambda p: p.feature_points(4), "sees 3 columns"),
        ("feature_interaction", lambda p: p.feature_interaction({}), "expected"),
        (
            "feature_interaction",
            lambda p: p.feature_interaction({"feature1": "age", "feature2": "bmy", "method": "sum"}),
            "did you mean 'bmi'",
        ),
    ],
)
def test_what_is_refused_names_the_setter_and_blocks_the_start(
    name: str, say: Setting, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = training_plan(TORCH)
    before = plan.plan()
    say(plan)
    printed = capsys.readouterr().out
    assert f"refused: {name}: " in printed
    assert message in printed
    assert plan.plan() == before
    with pytest.raises(muster.PlanRefused, match=name):
        plan.start()


class Started:
    """Remembers what was started."""

    plan: muster.Plan

    def start(self, plan: muster.Plan) -> Started:
        self.plan = plan
        return self

    id = "01J"


def test_a_setter_that_is_called_again_unblocks_and_a_plan_starts_once() -> None:
    federation = Started()
    plan = training_plan(TORCH, federation)
    plan.epochs(-1)
    plan.epochs(3)
    assert plan.start() == "01J"
    assert federation.plan.training.epochs == 3
    with pytest.raises(Invalid, match="was started, as experiment 01J"):
        plan.start()


def test_interactions_add_up_and_repeats_count_once() -> None:
    plan = training_plan(TORCH)
    for method in ("product", "product", "differences", "pca"):
        plan.feature_interaction({"feature1": "age", "feature2": "bmi", "method": method})
    made = plan.plan()["data"]["derive"]
    assert [each["make"] for each in made] == ["product", "difference", "pca"]
    plan.resetTrainingPlan()
    assert "derive" not in plan.plan()["data"]


@pytest.mark.parametrize(
    ("model", "say", "message"),
    [
        (TORCH, lambda p: p.zoom_range(0.3), "zoom_range has no effect: it is for images"),
        (TORCH, lambda p: p.enable_lora(True), "language models"),
        (TORCH, lambda p: p.sequence_length(3), "texts and series"),
        (
            TORCH,
            lambda p: p.feature_interaction({"feature_list": ["age"], "method": "shuffle"}),
            "feature_interaction has no effect",
        ),
        ("sklearn/logistic_classifier.py", lambda p: p.optimizer("adam"), "optimizer has no effect with sklearn"),
        ("sklearn/logistic_classifier.py", lambda p: p.layers_freeze(["a"]), "layers_freeze has no effect"),
    ],
)
def test_what_has_no_meaning_is_told(
    model: str, say: Setting, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = training_plan(model)
    before = plan.plan()
    say(plan)
    assert message in capsys.readouterr().out
    assert plan.plan() == before
    assert plan.refused == {}


def test_a_loss_of_the_vendors_own_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss.py").write_text("def loss(outputs, targets):\n    return (outputs**2).mean()\n")
    plan = training_plan(TORCH)
    plan.lossFunction({"type": "custom", "value": "loss.py"})
    assert plan.refused == {}
    assert plan.plan()["training"]["loss"] == {"file": str(tmp_path / "loss.py")}
    (tmp_path / "loss.py").write_text("class Other:\n    pass\n")
    plan.lossFunction({"type": "custom", "value": "loss.py"})
    assert "defines no function loss" in plan.refused["loss_function"]


def test_a_number_has_no_accuracy_to_watch(capsys: pytest.CaptureFixture[str]) -> None:
    plan = training_plan("torch/mlp_regressor.py")
    plan.earlystopCallback("val_accuracy", 3)
    assert "'val_accuracy' is not known" in capsys.readouterr().out
    plan.earlystopCallback("val_loss", 3)
    assert plan.plan()["callbacks"]["early_stopping"]["monitor"] == "validation.mse"
    plan.training_size(10)
    assert plan.plan()["data"]["rows"] == {"total": 10}
    assert plan.refused == {}


def test_an_unknown_call_is_an_error_that_knows_the_nearest() -> None:
    with pytest.raises(AttributeError, match="did you mean 'epochs'"):
        training_plan(TORCH).epoch(3)


def test_what_there_is_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    plan = training_plan(TORCH)
    assert plan.get_features() == ("age", "bmi", "height")
    assert {"epochs", "earlystopCallback", "early_stop_callback"} <= set(plan.get_available_methods())
    plan.getTrainingPlan()
    printed = capsys.readouterr().out
    assert "'method': 'product'" in printed
    assert "epochs: 10" in printed


def test_every_setter_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "come-from-another-sdk.md").read_text()
    setters = [name for name, each in inspect.getmembers(TrainingPlan) if hasattr(each, SETTER)]
    assert len(setters) > 30
    assert not [name for name in setters if f"`{name}" not in page]
