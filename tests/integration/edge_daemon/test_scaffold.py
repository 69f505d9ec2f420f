"""An edge's control variates and optimizers: kept from cycle to cycle, never sent, gone on from only where an update
counted."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bus.events.cycles import CycleKind, UpdateFailed, UpdateSealed
from bus.events.experiments import Strategy
from bus.events.weights import SealedObject
from bus.weights import incoming
from support import people
from support.site import Site, X
from training.plan import Training
from training.weights import Weights, read_weights


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what is done after the answer."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


NETWORK = """
from torch import nn

framework = "torch"
category = "tabular_classification"
main_method = "build"

def build(features, outputs):
    return nn.Linear(features, outputs)
"""
SCAFFOLD = Strategy(name="scaffold", parameters={"learning_rate": 1.0, "edges": 3.0})
TRAINING = Training(epochs=2, batch_size=20, learning_rate=0.1)
STEPS = 6


class Ward:
    """An edge whose model is always the first one, so that only what it keeps differs from cycle to cycle."""

    def __init__(self, site: Site, about: dict[str, Any], first: SealedObject) -> None:
        self.site, self.about, self.first, self.said = site, about, first, 2

    @classmethod
    async def made(cls, site: Site, source: str = NETWORK) -> Ward:
        about = {
            "framework": "torch",
            "strategy": SCAFFOLD,
            "training": TRAINING.canonical,
            "code": await site.code(source),
        }
        await site.order(CycleKind.STATISTICS, **about)
        sums = await site.model_of((await site.answers(1))[0])
        await site.order(CycleKind.INITIALISE, model=sums, **about)
        return cls(site, about, await site.model_of((await site.answers(2))[1]))

    async def train(self, number: int, **changes: Any) -> tuple[str, UpdateSealed, Weights]:
        """Id of the update, what was said, and what was sent."""
        await self.site.order(CycleKind.TRAIN, number, model=self.first, **self.about, **changes)
        self.said += 1
        record = (await self.site.answers(self.said))[-1]
        body = record.body
        assert isinstance(body, UpdateSealed), body
        assert body.weights is not None
        path = self.site.folder / f"sent-{number}.safetensors"
        await incoming.download_file(self.site.broker.blobs(), body.weights, people.identity("aggregator"), path)
        return record.id, body, read_weights(path)

    def kept(self) -> dict[str, Weights]:
        """Update -> what was kept of it."""
        found = sorted((self.site.settings.data / "kept" / X).glob("*/state.safetensors"))
        return {path.parent.name: read_weights(path) for path in found}


async def test_control_variates_stay_and_are_gone_on_from(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        ward = await Ward.made(site)
        one, said, sent = await ward.train(1)
        assert said.follows is None
        assert sent.tensors.keys() >= {"model.weight", "model.bias", "scaffold.weight", "scaffold.bias"}
        begun = site.folder / "first.safetensors"
        await incoming.download_file(site.broker.blobs(), ward.first, people.identity("hospital-a"), begun)
        first = read_weights(begun)
        assert not first.tensors["scaffold.weight"].any(), "c begins with 0"
        moved = first.tensors["model.weight"].astype(np.float64) - sent.tensors["model.weight"]
        np.testing.assert_allclose(sent.tensors["scaffold.weight"], moved / (STEPS * 0.1), rtol=1e-6)
        np.testing.assert_array_equal(ward.kept()[one].tensors["scaffold.weight"], sent.tensors["scaffold.weight"])

        two, said, sent_two = await ward.train(2, follows=one)
        assert said.follows == one
        assert set(ward.kept()) == {one, two}
        added = ward.kept()[one].tensors["scaffold.weight"] + sent_two.tensors["scaffold.weight"]
        np.testing.assert_array_equal(ward.kept()[two].tensors["scaffold.weight"], added)

        # The second did not count: the third goes on from the first again.
        _, said, sent_three = await ward.train(3, follows=one)
        assert said.follows == one
        await until(lambda: two not in ward.kept())
        assert sent_three.tensors["scaffold.weight"].any()

        shutil.rmtree(site.settings.data / "kept")
        _, said, _ = await ward.train(4, follows=one)
        assert said.follows is None, "an edge that lost its disk begins anew, and says so"
        await site.order(CycleKind.EVALUATE, 4, model=ward.first, **ward.about)
        await site.answers(ward.said + 1)
        assert ward.kept(), "a fork may go on from it"


async def test_what_was_kept_does_not_show_in_the_update_but_for_its_effect(tmp_path: Path) -> None:
    """Without shuffling, the same rows and the same model: a correction is all that can tell two updates apart."""
    site = await Site.made(tmp_path)
    async with site.running():
        ward = await Ward.made(site)
        ward.about["training"] = TRAINING.model_copy(update={"shuffle": False}).canonical
        one, _, sent = await ward.train(1)
        _, _, corrected = await ward.train(2, follows=one)
        _, _, fresh = await ward.train(3)
    assert sent.tensors["model.weight"].tobytes() == fresh.tensors["model.weight"].tobytes()
    assert sent.tensors["model.weight"].tobytes() != corrected.tensors["model.weight"].tobytes()


ADAM = TRAINING.model_copy(update={"optimizer": "adam", "optimizer_state": "keep", "shuffle": False})


async def test_optimizers_stay_and_are_gone_on_from(tmp_path: Path) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        ward = await Ward.made(site)
        ward.about |= {"strategy": None, "training": ADAM.canonical}
        one, said, sent = await ward.train(1)
        assert said.follows is None
        assert not [name for name in sent.tensors if "optimizer" in name]
        kept = ward.kept()[one].tensors
        assert kept["optimizer.adam.step.weight"] == STEPS
        assert kept["optimizer.adam.exp_avg.weight"].any()

        two, said, further = await ward.train(2, follows=one)
        assert said.follows == one
        assert ward.kept()[two].tensors["optimizer.adam.step.weight"] == 2 * STEPS
        _, said, again = await ward.train(3, follows=one)
        assert said.follows == one
        _, said, anew = await ward.train(4)
        assert said.follows is None
    # The same rows and the same model: what was kept is all that can tell them apart.
    weights = [each.tensors["model.weight"].tobytes() for each in (sent, further, again, anew)]
    assert weights[0] == weights[3] != weights[1] == weights[2]


FORGER = NETWORK.replace(
    "def build",
    """
import atexit, os

def forge():
    os.unlink("state.safetensors")
    os.symlink("/etc/hostname", "state.safetensors")

def build""",
).replace("    return nn", "    if os.path.exists('../inputs/data/train'): atexit.register(forge)\n    return nn")


async def test_a_link_is_not_kept(tmp_path: Path) -> None:
    """The next worker would be handed what it points to."""
    site = await Site.made(tmp_path)
    async with site.running():
        ward = await Ward.made(site, FORGER)
        await site.order(CycleKind.TRAIN, 1, model=ward.first, **ward.about)
        body = await site.answer(3)
    assert isinstance(body, UpdateFailed)
    assert body.failure.code == "weights.missing"
    assert not list((site.settings.data / "kept").rglob("*"))


@pytest.mark.parametrize("name", ["scaffold", "fedprox"])
async def test_scikit_learn_says_that_it_cannot(tmp_path: Path, name: str) -> None:
    site = await Site.made(tmp_path)
    async with site.running():
        await site.order(CycleKind.STATISTICS)
        sums = await site.model_of((await site.answers(1))[0])
        await site.order(CycleKind.INITIALISE, model=sums, strategy=Strategy(name=name, parameters={"mu": 1.0}))
        body = await site.answer(2)
    assert isinstance(body, UpdateFailed)
    assert (body.failure.code, body.failure.category) == ("strategy.framework", "model")
