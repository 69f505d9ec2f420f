"""What an edge daemon with real workers makes of a lower rate, and of a model that is to be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.events.cycles import CycleKind, UpdateFailed, UpdateSealed
from bus.events.weights import Score, SealedObject
from support.site import Site
from training.plan import Training

STOCHASTIC = """
from sklearn.linear_model import SGDClassifier

framework = "sklearn"
category = "tabular_classification"
main_method = "build"

def build():
    return SGDClassifier(loss="log_loss")
"""
NETWORK = """
from torch import nn

framework = "torch"
category = "tabular_classification"
main_method = "build"

def build(features, outputs):
    return nn.Linear(features, outputs)
"""


async def begun(site: Site, code: SealedObject, framework: str) -> dict[str, Any]:
    """What all training goes on from."""
    told = {"code": code, "framework": framework}
    await site.order(CycleKind.STATISTICS, **told)
    sums = await site.model_of((await site.answers(1))[0])
    await site.order(CycleKind.INITIALISE, model=sums, **told)
    return {**told, "model": await site.model_of((await site.answers(2))[1])}


@pytest.mark.parametrize(
    ("framework", "source", "rate", "slow"),
    [
        ("sklearn", STOCHASTIC, 0.5, 0.125),
        (
            "torch",
            NETWORK,
            {"schedule": "cosine", "rate": 0.5, "over": 4, "end": 0.25},
            {"schedule": "cosine", "rate": 0.125, "over": 4, "end": 0.0625},
        ),
    ],
)
async def test_a_factor_is_as_another_rate_in_the_plan(
    tmp_path: Path, framework: str, source: str, rate: Any, slow: Any
) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        told = await begun(site, await site.code(source), framework)
        digests = []
        for place, (said, factor) in enumerate(((rate, 1.0), (rate, 0.25), (slow, 1.0))):
            training = Training.model_validate({"epochs": 3, "learning_rate": said}).canonical
            own = {"experiment": f"01Y{place}", "training": training, "rate_factor": factor}
            await site.order(CycleKind.TRAIN, 1, **told, **own)
            update = await site.answer(3 + place)
            assert isinstance(update, UpdateSealed), update
            assert update.weights is not None
            digests.append(update.weights.digest)
    plain, slowed, lower = digests
    assert slowed == lower != plain


async def test_a_factor_needs_a_rate(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        await site.order(CycleKind.TRAIN, 1, rate_factor=0.5, training=Training().canonical)
        said = await site.answer()
    assert isinstance(said, UpdateFailed)
    assert said.failure.code == "plan.callbacks"


async def test_an_evaluation_may_look_at_the_validation_rows(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        told = await begun(site, await site.code(), "sklearn")
        training = {"training": Training(epochs=3, validation_split=0.2).canonical}
        await site.order(CycleKind.TRAIN, 1, **told, **training)
        model = {**told, "model": await site.model_of((await site.answers(3))[2]), **training}
        await site.order(CycleKind.EVALUATE, 1, **model, with_validation=True)
        judged = await site.answer(4)
        await site.order(CycleKind.TRAIN, 2, **model)
        after = await site.answer(5)
    assert isinstance(judged, UpdateSealed)
    assert isinstance(after, UpdateSealed)
    assert judged.examples == 30
    assert {score.split for score in judged.scores} == {"test", "validation"}
    assert _validation(judged) == _validation(after)


def _validation(update: UpdateSealed) -> list[Score]:
    found = [s for s in update.scores if (s.split, s.stage) == ("validation", "received")]
    assert found
    return found
