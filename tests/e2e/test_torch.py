"""PyTorch in a real federation: fedavg, fedprox and scaffold learn, and all models and updates come out again.

So do they with weights of classes, with a loss of the vendor's own, and with optimizers that go on from cycle to cycle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.numpy import load_file

from support.terminal import Terminal

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer-torch"
HOSPITALS = ("hospital-a", "hospital-b")
"""Two of three: each worker of each hospital takes three seconds of CPU to load what it needs."""
PATIENCE_S = 400
PLANS: dict[str, dict[str, Any]] = {
    "fedavg": {},
    "fedprox": {"cycles": 1, "strategy": {"name": "fedprox", "parameters": {"mu": 0.1}}},
    "scaffold": {
        "strategy": {"name": "scaffold"},
        "training": {"epochs": 5, "batch_size": 16, "learning_rate": 0.1},
    },
}
STEPS = {"epochs": 8, "batch_size": 16, "learning_rate": 0.01, "optimizer": "adam", "optimizer_state": "keep"}
FOCAL = """
from torch.nn import functional

def loss(outputs, targets):
    each = functional.cross_entropy(outputs, targets, reduction="none")
    return ((1 - (-each).exp()) ** 2 * each).mean()
"""
"""Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, with gamma 2."""


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """A federation of the hospitals with their data."""
    terminal = Terminal(tmp_path, tmp_path / "federation")
    await terminal.succeed("demo", "--files-only", "--dir", "files")
    async with terminal.up(terminal.federation, *(word for name in HOSPITALS for word in ("--edge", name))):
        for name in HOSPITALS:
            await terminal.succeed(
                *("ingest", "--edge", name, "--dataset", "breast-cancer", "--target", "diagnosis"),
                *("--category", "tabular_classification"),
                *("--train", f"files/data/{name}-train.csv", "--test", f"files/data/{name}-test.csv"),
            )
        yield terminal


def written(folder: Path, name: str, said: dict[str, Any]) -> Path:
    """The example's plan, but for what is said."""
    content = {**yaml.safe_load((EXAMPLE / "plan.yaml").read_text()), **said, "model": str(EXAMPLE / "model.py")}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "names",
    [pytest.param(("scaffold",), id="scaffold"), pytest.param(tuple(PLANS), id="all", marks=pytest.mark.slow)],
)
async def test_strategies_learn_and_are_proved(terminal: Terminal, tmp_path: Path, names: tuple[str, ...]) -> None:
    digests = set()
    for name in names:
        plan = EXAMPLE / "plan.yaml" if name == "fedavg" else written(tmp_path, name, PLANS[name])
        ran = await terminal.succeed("run", plan, "--follow", timeout_s=PATIENCE_S)
        identity = ran["id"]
        scores = {score["name"]: score["value"] for score in ran["scores"]}
        assert ran["state"] == "completed"
        assert scores["accuracy"] > 0.93, (name, scores)
        replayed = await terminal.succeed("replay", identity)
        assert replayed["equal"], name
        if name == "scaffold":
            proved = await terminal.succeed("replay", identity, "--retrain", timeout_s=PATIENCE_S)
            assert (proved["equal"], proved["covered"], proved["first"]) == (True, proved["of"], None)
        digests.add(ran["model"])
        if name == "scaffold":
            await _what_scaffold_leaves(terminal, identity)
    assert len(digests) == len(names)


async def _what_scaffold_leaves(terminal: Terminal, identity: str) -> None:
    assert terminal.federation is not None
    kept = {path.parents[3].name for path in terminal.federation.glob(f"**/kept/{identity}/*/state.safetensors")}
    assert len(kept) == len(HOSPITALS), "each hospital keeps control variates of its own"
    await terminal.succeed("download", identity, "--out", "scaffold")
    tensors = load_file(terminal.folder / "scaffold" / "model.safetensors")
    controls = {name for name in tensors if name.startswith("scaffold.")}
    learnt = {name for name in tensors if name.startswith("model.") and name.endswith(("weight", "bias"))}
    assert controls == {name.replace("model.", "scaffold.", 1) for name in learnt}
    assert all(tensors[name].any() for name in controls if name.endswith("3.bias"))
    told = await terminal("log", identity, "--json")
    assert "scaffold" in told.out
    edges = len(HOSPITALS)
    assert f'"edges": {edges}' in told.out or f'"edges":{edges}' in told.out


async def proved(terminal: Terminal, folder: Path, more: dict[str, Any]) -> str:
    """The log of an experiment with a kept optimizer that learns well, and whose edges' work comes out again."""
    plan = written(folder, "steps", {"training": {**STEPS, **more}})
    ran = await terminal.succeed("run", plan, "--follow", timeout_s=PATIENCE_S)
    scores = {score["name"]: score["value"] for score in ran["scores"]}
    assert scores["accuracy"] > 0.93, scores
    again = await terminal.succeed("replay", ran["id"], "--retrain", timeout_s=PATIENCE_S)
    assert (again["equal"], again["covered"], again["first"]) == (True, again["of"], None)
    return (await terminal("log", ran["id"], "--json")).out


@pytest.mark.timeout(900)
async def test_a_loss_of_ones_own_and_a_kept_optimizer_are_proved(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "focal.py").write_text(FOCAL)
    assert r"\"loss\":{\"file\":\"focal.py\"}" in await proved(terminal, tmp_path, {"loss": {"file": "focal.py"}})


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_balanced_classes_are_proved(terminal: Terminal, tmp_path: Path) -> None:
    log = await proved(terminal, tmp_path, {"class_weights": "balanced"})
    counts = [0, 0]
    for name in HOSPITALS:
        rows = (terminal.folder / "files" / "data" / f"{name}-train.csv").read_text()
        counts = [known + rows.count(label) for known, label in zip(counts, ("benign", "malignant"), strict=True)]
    for count in counts:
        assert str(sum(counts) / (2 * count)) in log, "the same numbers for every edge are on the log"
