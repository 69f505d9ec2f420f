"""PyTorch under the behaviour suite of frameworks."""

from __future__ import annotations

import pytest

from support.frameworks import FRAMEWORKS, identified
from training.plan import Training
from training.schedules import Cosine
from training.testing import WORKER_CHECKS, Case, Check, pairs

STEPS = Training(epochs=8, learning_rate=0.05, batch_size=8)
ADAM = STEPS.model_copy(update={"optimizer": "adam", "learning_rate": 0.01})


DOUBLED = """
from torch.nn import functional

def loss(outputs, targets):
    if targets.is_floating_point():
        return 2 * functional.mse_loss(outputs, targets)
    if outputs.ndim == 1:
        return 2 * functional.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype))
    return 2 * functional.cross_entropy(outputs, targets)
"""


def case(outputs: int, classes: int | None, training: Training = STEPS, more: str = "", end: str = "") -> Case:
    category = "tabular_regression" if classes is None else "tabular_classification"
    source = f"""
import torch
from torch import nn

framework = "torch"
category = "{category}"
main_method = "build"

def build(features):
    return nn.Sequential(nn.Linear(features, 8), {more} nn.ReLU(), nn.Linear(8, {outputs})){end}
"""
    return Case(FRAMEWORKS["torch"], source, training, classes, guided=True, doubled=DOUBLED)


CASES = {
    "layers": case(3, 3),
    "dropout and normalisation": case(3, 3, ADAM, "nn.BatchNorm1d(8), nn.Dropout(0.3),"),
    "one output": case(1, 2),
    "numbers": case(1, None),
    "float64": case(3, 3, end=".to(torch.float64)"),
}


@pytest.mark.parametrize(("of", "check"), identified(pairs(CASES), CASES))
def test_it_keeps_what_a_framework_has_to(of: Case, check: Check) -> None:
    check(of)


@pytest.mark.parametrize("check", WORKER_CHECKS)
def test_in_workers(check: Check) -> None:
    check(CASES["dropout and normalisation"])
    # What a plan may say beyond a number reaches a worker whole.
    falling = Cosine(schedule="cosine", rate=0.1, over=16.0, end=0.001)
    check(CASES["layers"].told(freeze=("0.*",), gradient_clip=0.5, learning_rate=falling))
