"""A federation of one edge is local training, bit for bit: running means, counts and trees too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy.data import parted
from benchmarks.accuracy.learning import Learner
from benchmarks.accuracy.models import Model, model, models

SEED = 5
FEW_OF_TENSORFLOW = {"tensorflow/residual_classifier.py", "tensorflow/linear_regressor.py"}
"""Each of its models takes seconds to build."""
NORMALISED = [
    replace(model(f"{framework}/mlp_classifier.py"), name=f"../breast-cancer-{framework}/model.py")
    for framework in ("torch", "tensorflow")
]
"""Those with batch normalisation, whose running means are averaged, and counts that are whole numbers."""


def shorter(which: Model) -> Model:
    """The same for at most two cycles of two epochs."""
    training = which.training.model_copy(update={"epochs": min(2, which.training.epochs)})
    return replace(which, cycles=min(2, which.cycles), training=training)


@pytest.mark.parametrize(
    "which",
    [
        pytest.param(
            each,
            id=each.name,
            marks=[pytest.mark.slow]
            if each.name.startswith("tensorflow/") and each.name not in FEW_OF_TENSORFLOW
            else [],
        )
        for each in (*models(), *NORMALISED)
    ],
)
def test_one_edge_is_local_training(which: Model) -> None:
    found = parted("breast-cancer" if which.classifies else "diabetes", SEED, edges=1)
    learner = Learner(shorter(which), found.task, SEED)

    federated, alone = learner.federated(found.edges), learner.alone(found.pooled)

    assert federated.tensors.keys() == alone.tensors.keys()
    for name, tensor in alone.tensors.items():
        assert tensor.dtype == federated.tensors[name].dtype, name
        assert tensor.tobytes() == federated.tensors[name].tobytes(), name
    assert any(np.any(tensor) for name, tensor in alone.tensors.items() if name.startswith("model."))
