"""A forest of three hospitals in a real federation: every tree of every hospital is in it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from muster.demo.data import SHARES, collection
from support.terminal import Terminal
from training.categories import tabular
from training.frameworks import sklearn as plugin
from training.frameworks.sklearn import trees
from training.registry import Rows
from training.seeds import derive
from training.weights import Weights, read_weights

SEED, CYCLES, TREES, LEAF = 7, 2, 12, 3
MODEL = f"""
from sklearn.ensemble import RandomForestClassifier

framework = "sklearn"
category = "tabular_classification"
main_method = "build"


def build():
    return RandomForestClassifier({TREES}, min_samples_leaf={LEAF})
"""
PLAN = f"""
name: A forest of three hospitals
model: forest.py
data: {{dataset: breast-cancer}}
seed: {SEED}
cycles: {CYCLES}
"""


def together(weights: Weights) -> RandomForestClassifier:
    """What the hospitals grow by scikit-learn alone, on the same rows from the same seeds, put into one estimator."""
    whole: Any = None
    found = collection()
    for cycle in range(1, CYCLES + 1):
        for hospital in found.hospitals.values():
            rows = Rows(tabular._standardised(hospital.train.features, weights), hospital.train.target)
            seed = derive(SEED, "trees", cycle, trees.fingerprint(rows))
            own = RandomForestClassifier(TREES, min_samples_leaf=LEAF, random_state=seed)
            own.fit(rows.inputs, rows.target)
            if whole is None:
                whole = own
            else:
                whole.estimators_ += own.estimators_
    return whole


@pytest.mark.timeout(400)
async def test_a_forest_of_three_hospitals(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, tmp_path / "federation")
    names = [argument for name in SHARES for argument in ("--edge", name)]
    (tmp_path / "forest.py").write_text(MODEL)
    (tmp_path / "plan.yaml").write_text(PLAN)
    async with terminal.up(terminal.federation, *names, "--lease", "3"):
        await terminal.succeed("demo", "--files-only", "--dir", "files")
        for edge in SHARES:
            await terminal.succeed(
                *("ingest", "--edge", edge, "--dataset", "breast-cancer", "--target", "diagnosis"),
                *("--category", "tabular_classification", "--train", f"files/data/{edge}-train.csv"),
                *("--test", f"files/data/{edge}-test.csv"),
            )
        ran = await terminal.succeed("run", "plan.yaml", "--follow")
        assert ran["state"] == "completed"
        model = await terminal.succeed("download", ran["id"], "--out", "model")
        events = (await terminal.succeed("log", ran["id"]))["events"]
        replayed = await terminal.succeed("replay", ran["id"])
        again = await terminal.succeed("replay", ran["id"], "--retrain")
        story = (await terminal("explain", ran["id"])).out
        verified = await terminal.succeed("verify")
    weights = read_weights(Path(model["path"]))
    nodes = weights.tensors["model.trees.nodes"]
    assert len(nodes) == len(SHARES) * CYCLES * TREES
    outcomes = [event["body"] for event in events if event["type"] == "model.averaged"][-CYCLES:]
    assert [each["members"]["trees"] for each in outcomes] == [dict.fromkeys(SHARES, TREES)] * CYCLES
    assert outcomes[-1]["model"]["members"] == {"trees": len(nodes), "nodes": int(nodes.sum())}

    found = collection()
    learnt = plugin.tabular(RandomForestClassifier(), found.task.problem)
    estimator = together(weights)
    for hospital in found.hospitals.values():
        inputs = tabular._standardised(hospital.test.features, weights)
        prediction = learnt.classes(weights.part("model"), inputs)
        assert prediction.probabilities is not None
        assert prediction.probabilities.tobytes() == estimator.predict_proba(inputs).tobytes()
        assert np.array_equal(prediction.codes, estimator.predict(inputs))
    assert {score["name"]: score["value"] for score in ran["scores"]}["accuracy"] > 0.9

    assert replayed["equal"]
    assert len(replayed["outcomes"]) == CYCLES + 3
    assert again["equal"]
    assert verified["unproven"] == []
    assert "Added to trees: hospital-a 12, hospital-b 12, hospital-c 12" in story
