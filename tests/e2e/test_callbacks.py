"""Callbacks from the command line: real workers train until the scores say stop, and the best model is the result."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bus.events.base import ExperimentId
from bus.events.callbacks import ModelChosen, RateReduced, StoppedEarly
from bus.events.cycles import CycleKind, CycleOpened, ModelAveraged, ModelEvaluated
from bus.events.experiments import ExperimentCompleted
from bus.wire.record import Record
from muster.client import connect
from muster.telling.follow import View, follow
from support.federation import Town, federation
from support.terminal import Terminal

MODEL = """
from sklearn.linear_model import SGDClassifier

framework = "sklearn"
category = "tabular_classification"
main_method = "build"

def build():
    return SGDClassifier(loss="log_loss")
"""
PLAN = """
name: until it gets no better
model: model.py
data: {dataset: cancer}
seed: 11
cycles: 30
training: {epochs: 1, learning_rate: 0.5, validation_split: 0.3}
callbacks:
  early_stopping: {monitor: validation.log_loss, patience: 3}
  reduce_on_plateau: {monitor: validation.log_loss, patience: 2, factor: 0.5}
  checkpoint: {keep: best, monitor: validation.log_loss}
"""


async def ran(town: Town) -> list[Record]:
    """All events of an experiment of the plan; the coordinator is killed whenever it has decided something."""
    identity = ExperimentId(await town.submit(PLAN))

    def tell(_view: View, record: Record | None) -> None:
        if record is not None and isinstance(record.body, RateReduced | StoppedEarly | ModelChosen):
            town.kill("coordinator")

    async with asyncio.timeout(400), connect(town.layout) as client:
        view = await follow(client, identity, tell)
        return [record async for record in client.history(view.experiment)]


@pytest.mark.timeout(700)
async def test_training_ends_when_it_gets_no_better_and_the_best_model_is_the_result(tmp_path: Path) -> None:
    async with federation(tmp_path) as town:
        (tmp_path / "model.py").write_text(MODEL)
        history = await ran(town)
        end = history[-1].body
        assert isinstance(end, ExperimentCompleted), end
        assert town.restarts.count("coordinator") >= 3
        reduced, stopped, chosen = (
            r.body for r in history if isinstance(r.body, RateReduced | StoppedEarly | ModelChosen)
        )
        assert isinstance(reduced, RateReduced)
        assert isinstance(stopped, StoppedEarly)
        assert isinstance(chosen, ModelChosen)
        assert chosen.cycle < stopped.cycle < 30
        made = {
            r.body.cycle.number: r.body.model
            for r in history
            if isinstance(r.body, ModelAveraged) and r.body.cycle.kind is CycleKind.TRAIN
        }
        assert max(made) == stopped.cycle
        assert made[chosen.cycle] == chosen.model == end.model
        assert _best(history) == chosen.cycle
        # The evaluation that follows has the last cycle's number, and no rate.
        factors = {
            r.body.cycle.number: r.body.rate_factor
            for r in history
            if isinstance(r.body, CycleOpened) and r.body.cycle.kind is CycleKind.TRAIN
        }
        assert (factors[reduced.cycle - 1], factors[reduced.cycle + 1]) == (1.0, 0.5)
        await _told_and_proved(Terminal(tmp_path, town.layout.directory), end)


def _best(history: list[Record]) -> int:
    """Cycle of the model with the least loss on the validation rows, as the edges of the cycle after it found it."""
    losses: dict[int, float] = {}
    for record in history:
        body = record.body
        if not isinstance(body, ModelAveraged | ModelEvaluated):
            continue
        about = body.cycle.number - (body.cycle.kind is CycleKind.TRAIN)
        for score in body.scores:
            if (score.stage, score.split, score.name) == ("received", "validation", "log_loss"):
                assert score.value is not None
                losses[about] = score.value
    return min(losses, key=losses.__getitem__)


async def _told_and_proved(terminal: Terminal, end: ExperimentCompleted) -> None:
    identity = end.experiment
    for command in ("log", "explain"):
        told = " ".join((await terminal(command, identity)).out.split())
        assert "no better than" in told, told
        assert "validation.log_loss was best with" in told, told
    (fact,) = (await terminal.succeed("list"))["experiments"]
    assert any("training ended early" in line for line in fact["decided"]), fact
    assert (await terminal.succeed("download", identity, "--out", terminal.folder / "out"))[
        "digest"
    ] == end.model.digest
    replayed = await terminal.succeed("replay", identity)
    assert replayed["equal"], replayed
    decided = {outcome["cycle"].split("-")[1] for outcome in replayed["outcomes"]}
    assert decided >= {"reduced", "stopped_early", "chosen"}
    retrained = await terminal.succeed("replay", identity, "--retrain", timeout_s=400)
    assert retrained["equal"], retrained
