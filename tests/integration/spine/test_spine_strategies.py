"""Strategies on the spine: real services, sealed updates and state, replay, forks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bus.errors import NotFound
from bus.events.base import ExperimentId
from bus.events.cycles import CycleClosed, CycleKind, RunCycle
from bus.events.experiments import ExperimentCompleted, ExperimentFailed, ExperimentRefused, Strategy
from bus.events.strategies import settled
from bus.weights import incoming
from coordinator.domain.decide import _close
from coordinator.domain.state import Experiment, OpenCycle
from muster.submission.fork import fork_of
from muster.telling.explain import explained
from support import people
from support.experiments import CYCLES, client, ended, ran, replayed, trained
from support.spine import ACME, EXAMPLES, read, running_spine
from support.story import X

SIZE = 300_000
"""Elements of the model: three chunks of it, ten of adam's state."""


def adam(cycles: int) -> np.ndarray:
    """What the edges' fixed steps lead to: Reddi et al. 2021, algorithm 2."""
    steps = {edge: float(np.float32(n / 100)) for edge, n in EXAMPLES.items()}
    x, m, v = np.float32(0), 0.0, 1e-6
    for _ in range(cycles):
        mean = sum(n * float(x + np.float32(steps[edge])) for edge, n in EXAMPLES.items()) / sum(EXAMPLES.values())
        d = mean - float(x)
        m, v = 0.9 * m + 0.1 * d, 0.99 * v + 0.01 * d * d
        x = np.float32(float(x) + 0.1 * m / (v**0.5 + 1e-3))
    return x


async def test_state_goes_from_cycle_to_cycle_and_replays(tmp_path: Path) -> None:
    strategy = settled(Strategy(name="fedadam"))
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, strategy)
        end = history[-1].body
        assert isinstance(end, ExperimentCompleted), end
        made = trained(history)
        closings = [r.body for r in history if isinstance(r.body, CycleClosed) and r.body.cycle.kind is CycleKind.TRAIN]
        assert [c.state for c in closings] == [None, made[0].state, made[1].state]
        assert all(m.state is not None and m.state.size_bytes > SIZE * 2 * 8 for m in made)
        results = await replayed(spine)
        assert len(results) == CYCLES + 3
        assert all(result.equal for result in results), results
        path = tmp_path / "model.safetensors"
        await incoming.download_file(spine.broker.blobs(), end.model, people.identity("acme"), path)
        weights = read(path)["w"]
        assert np.all(weights == weights[0])
        assert abs(weights[0] - adam(CYCLES)) <= 2 * np.spacing(weights[0])
        state = made[-1].state
        assert state is not None
        for reader in ("acme", "hospital-a"):
            with pytest.raises(NotFound):
                await incoming.fetch_key(spine.broker.blobs(), state, people.identity(reader))


@pytest.mark.parametrize("anew", [False, True])
async def test_a_fork_goes_on_with_the_state_of_the_same_strategy(tmp_path: Path, anew: bool) -> None:
    strategy = settled(Strategy(name="fedavgm"))
    async with running_spine(tmp_path) as spine:
        made = trained(await ran(spine, strategy))
        parent = await client(spine.broker, "operator").experiment(X)
        same = fork_of(parent, 2, anew=anew).model_copy(update={"experiment": ExperimentId("01F")})
        other = fork_of(parent, 2, strategy="fedadam", anew=anew).model_copy(update={"experiment": ExperimentId("01G")})
        for body in (same, other):
            await spine.voice("acme").say(body, owner=ACME)
        mine = trained(await ended(spine, "01F"))
        assert [m.model.digest for m in mine] == [m.model.digest for m in made[1 if anew else 2 :]]
        theirs = await ended(spine, "01G")
        assert isinstance(theirs[-1].body, ExperimentCompleted), theirs[-1].body
        first = next(r.body for r in theirs if isinstance(r.body, CycleClosed) and r.body.cycle.kind is CycleKind.TRAIN)
        assert first.state is None
        for identity in ("01F", "01G"):
            assert all(result.equal for result in await replayed(spine, identity))


async def test_krum_says_whom_it_chose(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, Strategy(name="krum", parameters={"f": 0}))
        results = await replayed(spine)
    assert all(result.equal for result in results), results
    # Steps of 0.1, 0.3 and 0.6: a and b are next to each other, and a comes first.
    assert [made.selected for made in trained(history)] == [("hospital-a",)] * CYCLES
    assert "  Krum chose the update of hospital-a." in explained(history)


async def test_a_replay_notices_a_choice_that_is_not_krums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_spine(tmp_path) as spine:
        await ran(spine, Strategy(name="multikrum", parameters={"f": 0, "keep": 2}))
        monkeypatch.setattr("aggregator.domain.strategies.krum.Krum.chosen", lambda *_arguments: (0, 2))
        results = await replayed(spine)
    assert [result.equal for result in results if "train" in result.cycle] == [False] * CYCLES


async def test_a_replay_notices_a_closing_that_goes_on_from_elsewhere(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("coordinator.domain.decide._close", _forgetful)
            await ran(spine, Strategy(name="fedavgm"))
        results = await replayed(spine)
    reasons = {result.cycle: result.reason for result in results}
    assert [cycle for cycle, reason in reasons.items() if reason] == ["2-train-1", "3-train-1"]
    assert "another model or state" in (reasons["2-train-1"] or "")


def _forgetful(experiment: Experiment, cycle: OpenCycle, revision: int) -> CycleClosed:
    """A coordinator that loses what the strategy kept."""
    return _close(experiment, cycle, revision).model_copy(update={"state": None})


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (Strategy(name="krum"), "needs at least 5 updates in every cycle, and 3 are certain"),
        (Strategy(name="fedmedain"), "did you mean 'fedmedian'"),
        (Strategy(name="fedprox"), "sklearn cannot: it needs a proximal term"),
        (Strategy(name="scaffold"), "sklearn cannot: it needs a correction by control variates"),
        (Strategy(name="fedadam", parameters={"eta": 1}), "fedadam has no parameter 'eta'"),
    ],
)
async def test_what_cannot_work_is_refused(tmp_path: Path, strategy: Strategy, words: str) -> None:
    async with running_spine(tmp_path) as spine:
        refused = (await ran(spine, strategy))[-1].body
    assert isinstance(refused, ExperimentRefused)
    assert any(words in reason for reason in refused.reasons)


async def test_a_lost_state_ends_the_experiment_and_says_so(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:

        async def lose(command: RunCycle) -> None:
            if command.cycle.kind is CycleKind.TRAIN and command.cycle.number == 2:
                await spine.broker.blobs().delete(f"w.acme.aggregator.{X}.state-1-train-1-1.>")

        spine.edges["hospital-a"].delay = lose
        failed = (await ran(spine, Strategy(name="fedyogi")))[-1].body
    assert isinstance(failed, ExperimentFailed)
    assert failed.failure.code == "seal.recipient"
    assert "state-1-train-1-1" in failed.failure.message
