"""PyTorch under the behaviour suite of frameworks."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.bodies import run
from support.frameworks import FRAMEWORKS, identified
from training.plan import Training
from training.schedules import Cosine
from training.testing import WORKER_CHECKS, Case, Check, pairs
from training.weights import read_weights, write_weights

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


def test_a_federation_of_one_edge_is_local_training(tmp_path: Path) -> None:
    """What the aggregator makes of one update is that update, bit for bit: running means and counts too."""
    case = CASES["dropout and normalisation"]
    local = federated = case.first()
    for cycle in (1, 2):
        local = local.replaced("model", case.learn(local.part("model"), cycle=cycle))
        update = federated.replaced("model", case.learn(federated.part("model"), cycle=cycle))
        before, after, path = tmp_path / "before", tmp_path / "after", tmp_path / "model"
        write_weights(before, federated)
        write_weights(after, update)
        path.write_bytes(run("fedavg", [after.read_bytes()], [60], previous=before.read_bytes()).model)
        federated = read_weights(path)
    assert local.tensors.keys() == federated.tensors.keys()
    assert all(each.tobytes() == federated.tensors[name].tobytes() for name, each in local.tensors.items())
