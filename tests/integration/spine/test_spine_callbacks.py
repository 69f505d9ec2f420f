"""Callbacks on the spine: real services, edges that say what scores the global models have, replay, forks, the rule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bus.events import Event
from bus.events.callbacks import (
    NOT_FINITE,
    Callbacks,
    EarlyStopping,
    ModelChosen,
    Monitor,
    RateReduced,
    ReduceOnPlateau,
    StoppedEarly,
)
from bus.events.custody import Keep, KeepingRuled
from bus.events.cycles import CycleKind, CycleOpened, RunCycle, UpdateFailed, UpdateSealed
from bus.events.experiments import ExperimentCompleted, ExperimentFailed, ExperimentRefused, Failure
from bus.events.weights import Score
from bus.weights import incoming
from bus.wire.record import Record
from muster.proof.decisions import redecided
from muster.submission.fork import fork_of
from muster.telling.explain import explained
from muster.telling.outcomes import Outcome, outcomes
from muster.telling.summary import summary
from support import people
from support.experiments import client, ended, replayed
from support.spine import ACME, EXAMPLES, Spine, running_spine
from support.story import X

LOSS = Monitor(split="validation", name="log_loss", higher=False)
VALUES = (9.0, 5.0, 3.0, 4.0, 4.5, 4.2, 6.0, 7.0, 8.0)
"""Of the global model of each cycle."""
ALL = Callbacks(
    early_stopping=EarlyStopping(monitor=LOSS, patience=3),
    reduce_on_plateau=ReduceOnPlateau(monitor=LOSS, factor=0.5, patience=2, floor=0.1),
    best=LOSS,
)


def tell(spine: Spine, values: Sequence[float] = VALUES) -> dict[tuple[str, int], list[float]]:
    """Have the edges say what the global models are worth; returns what they were told of rates, by cycle."""
    rates: dict[tuple[str, int], list[float]] = {}

    async def scored(command: RunCycle, sealed: UpdateSealed) -> Event:
        rates.setdefault((command.cycle.kind.value, command.cycle.number), []).append(command.rate_factor)
        about = {"name": "log_loss", "stage": "received", "count": EXAMPLES[command.edge]}
        found: list[Score] = []
        if command.cycle.kind is CycleKind.TRAIN:
            found = [Score(split="validation", value=values[command.cycle.number - 1], **about)]
        elif command.cycle.kind is CycleKind.EVALUATE:
            found = [Score(split="test", value=values[command.cycle.number], **about)]
            if command.with_validation:
                found.append(Score(split="validation", value=values[command.cycle.number], **about))
        return sealed.model_copy(update={"scores": tuple(found)})

    for edge in spine.edges.values():
        edge.forge = scored
    return rates


def decisions(history: list[Record]) -> list[Event]:
    return [r.body for r in history if isinstance(r.body, StoppedEarly | RateReduced | ModelChosen)]


async def test_scores_end_the_training_and_the_best_model_is_the_result(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        rates = tell(spine)
        operator = spine.voice("operator")
        await operator.say(KeepingRuled(federation="federation", keep=Keep.LAST, request="1"))
        await spine.submit(cycles=8, callbacks=ALL)
        history = await ended(spine)
        end = history[-1].body
        assert isinstance(end, ExperimentCompleted), end
        reduced, stopped, chosen = decisions(history)
        assert isinstance(reduced, RateReduced)
        assert isinstance(stopped, StoppedEarly)
        assert isinstance(chosen, ModelChosen)
        assert (reduced.cycle, reduced.factor, stopped.cycle, chosen.cycle) == (5, 0.5, 6, 2)
        assert rates["train", 5] == [1.0] * 3
        assert rates["train", 6] == [0.5] * 3
        assert end.model == chosen.model
        assert [(s.split, s.value) for s in end.scores] == [("test", VALUES[2])]

        asked = client(spine.broker, "operator")
        found = await asked.experiment(X)
        assert found.global_model == end.model
        # The rule kept but one global model, and the best one.
        path = tmp_path / "model.safetensors"
        await incoming.download_file(spine.broker.blobs(), end.model, people.identity("acme"), path)
        told = " ".join(explained(history))
        assert (
            "Training ended early, after cycle 6: 3 global models in a row with validation.log_loss no better" in told
        )
        assert "The result is the global model of cycle 2: validation.log_loss was best with 3" in told
        facts = summary(found, await asked.world())
        assert facts["decided"] == [
            "the learning rate is 0.5 of the plan's after cycle 5",
            "training ended early, after cycle 6",
            "the result is the global model of cycle 2",
        ]
        results = await replayed(spine)
        assert {
            r.cycle: r.equal for r in results if r.cycle.split("-")[1] in {"reduced", "stopped_early", "chosen"}
        } == {
            "5-reduced": True,
            "6-stopped_early": True,
            "7-chosen": True,
        }
        assert [r for r in results if not r.equal and not r.gone] == []


async def test_a_fork_goes_on_at_the_rate_and_stops_by_its_own_scores(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        rates = tell(spine)
        await spine.submit(cycles=8, callbacks=ALL)
        await ended(spine)
        parent = await client(spine.broker, "operator").experiment(X)
        for cycle, anew, factor in ((2, False, 1.0), (5, False, 0.5), (5, True, 0.5), (6, False, 0.5)):
            rates.clear()
            fork = fork_of(parent, cycle, anew=anew)
            assert fork.origin is not None
            assert fork.origin.rate_factor == factor
            await spine.voice("acme").say(fork, owner=ACME)
            history = await ended(spine, fork.experiment)
            end = history[-1].body
            assert isinstance(end, ExperimentCompleted), end
            assert rates["train", cycle + 1] == [factor] * 3
            (chosen,) = [said for said in decisions(history) if isinstance(said, ModelChosen)]
            assert end.model == chosen.model
            assert chosen.cycle >= cycle
            if not anew:
                assert chosen.model == (parent.models[cycle] if chosen.cycle == cycle else end.model)
            results = await replayed(spine, fork.experiment)
            assert all(result.equal for result in results), results


async def test_a_replay_finds_decisions_that_do_not_follow(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        tell(spine)
        await spine.submit(cycles=8, callbacks=ALL)
        history = await ended(spine)
    assert all(each.equal for each in redecided(history))
    assert len(list(redecided(history))) == 3

    def changed(kind: type[Event], **fields: object) -> list[str]:
        """What is said of a history in which one event says something else; without fields, it is not there."""
        other = [
            r if not isinstance(r.body, kind) else _with(r, r.body.model_copy(update=fields))
            for r in history
            if fields or not isinstance(r.body, kind)
        ]
        return [each.said.TYPE for each in redecided(other) if not each.equal]

    assert changed(RateReduced, factor=0.9)[0] == "rate.reduced"
    assert changed(RateReduced)[0] == "cycle.opened"
    assert "cycle.opened" in changed(StoppedEarly)
    assert changed(StoppedEarly, reason="enough") == ["experiment.stopped_early"]
    assert changed(ModelChosen, cycle=3)[0] == "model.chosen"
    assert changed(ModelChosen)
    last = history[-1].body
    assert isinstance(last, ExperimentCompleted)
    torn = last.model.model_copy(update={"digest": "sha256:other"})
    assert changed(ExperimentCompleted, model=torn) == ["experiment.completed"]
    assert "cycle.opened" in changed(CycleOpened, rate_factor=0.3)


def _with(record: Record, body: Event) -> Record:
    return replace(record, envelope=replace(record.envelope, body=body))


@pytest.mark.parametrize("terminate", [True, False])
async def test_numbers_that_are_not_finite_end_it_or_are_left_out(tmp_path: Path, terminate: bool) -> None:
    async with running_spine(tmp_path) as spine:

        async def fails(command: RunCycle, sealed: UpdateSealed) -> Event:
            if command.cycle.kind is not CycleKind.TRAIN:
                return sealed
            failure = Failure(category="egress", code=NOT_FINITE, message="not finite", edge=command.edge)
            about = {"experiment": command.experiment, "cycle": command.cycle, "command": sealed.command}
            return UpdateFailed(**about, trial=command.trial, failure=failure, retryable=False)

        spine.edges["hospital-b"].forge = fails
        await spine.submit(quorum=2, callbacks=Callbacks(terminate_on_nan=terminate))
        history = await ended(spine)
        end = history[-1].body
        assert isinstance(end, ExperimentFailed if terminate else ExperimentCompleted), end
        if isinstance(end, ExperimentFailed):
            assert (end.failure.code, end.failure.edge) == (NOT_FINITE, "hospital-b")
            assert "its plan ends it at once (callbacks.terminate_on_nan)" in " ".join(explained(history))


async def test_a_fork_that_lies_about_the_rate_is_refused(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        tell(spine)
        await spine.submit(cycles=3, callbacks=ALL)
        await ended(spine)
        parent = await client(spine.broker, "operator").experiment(X)
        fork = fork_of(parent, 2)
        assert fork.origin is not None
        lying = fork.model_copy(update={"origin": fork.origin.model_copy(update={"rate_factor": 0.01})})
        await spine.voice("acme").say(lying, owner=ACME)
        end = (await ended(spine, fork.experiment))[-1].body
        assert isinstance(end, ExperimentFailed | ExperimentRefused), end
        assert isinstance(end, ExperimentFailed)
        assert "had its learning rate at 1 of the plan's, not at 0.01" in end.failure.message


async def test_a_score_that_does_not_follow_from_those_of_the_edges_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An aggregator that tells another score than it should could have any model chosen."""

    async def lied(*asked: object) -> AsyncIterator[Outcome]:
        async for outcome in outcomes(*asked):  # type: ignore[arg-type]
            body = outcome.body
            better = tuple(score.model_copy(update={"value": 0.0}) for score in body.scores)
            yield replace(outcome, body=body.model_copy(update={"scores": better}))

    async with running_spine(tmp_path) as spine:
        tell(spine)
        await spine.submit(cycles=2, callbacks=Callbacks(best=LOSS))
        await ended(spine)
        assert all(result.equal for result in await replayed(spine))
        monkeypatch.setattr("muster.proof.replay.outcomes", lied)
        found = {result.cycle: result for result in await replayed(spine)}
    assert "its scores are others" in (found["1-train-1"].reason or "")
    assert not found["2-evaluate-1"].equal
    assert found["0-initialise-1"].equal
