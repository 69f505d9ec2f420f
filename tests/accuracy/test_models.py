"""Each model of ``examples/models`` is what its header, the index and the README say."""

from __future__ import annotations

import pytest

from benchmarks.accuracy.data import parted
from benchmarks.accuracy.models import FOLDER, Model, models
from benchmarks.accuracy.page import readme
from bus.events.strategies import KINDS
from muster.submission.vetting import Subject, vet
from training.contract.report import EIGHT
from training.plan import Limits
from training.worker.config import Config

MODELS = {model.name: model for model in models()}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
_QUICK = ("sklearn/", "torch/logistic", "torch/linear", "tensorflow/logistic", "tensorflow/linear")
"""Those that are checked in every run; each of the others has a framework to load for seconds."""


def test_the_index_names_every_file() -> None:
    assert MODELS.keys() == {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.py")}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, id=name, marks=() if name.startswith(_QUICK) else (pytest.mark.slow,))
        for name, model in MODELS.items()
    ],
)
async def test_it_passes_the_eight_checks(model: Model) -> None:
    task = parted("wine" if model.classifies else "diabetes", 0).task
    subject = Subject.read(model.path)
    config = Config(
        category=subject.header.category,
        framework=subject.header.framework,
        features=task.features,
        target=task.target,
        classes=task.classes,
        training=model.training,
        limits=Limits(wall_s=150),
    )
    report, error = await vet(subject, config)
    assert error is None, error
    assert report.passed
    assert len(report.steps) >= len(EIGHT)
    assert subject.header.framework == model.name.partition("/")[0]


@each_model
def test_its_strategies_are_for_its_framework(model: Model) -> None:
    for name in model.strategies:
        frameworks = KINDS[name].frameworks
        assert frameworks is None or model.header.framework in frameworks, name


def test_the_readme_is_current() -> None:
    assert (FOLDER / "README.md").read_text() == readme(), "run python -m benchmarks.accuracy --write"
