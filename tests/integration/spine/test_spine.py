"""The spine without training: real services and real sealed weights on the memory bus."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bus.events.cycles import (
    CycleClosed,
    ModelAveraged,
    RunCycle,
    UpdateRejected,
    UpdateSealed,
)
from bus.events.experiments import (
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentRefused,
    ExperimentStopped,
    StopRequested,
)
from bus.events.governance import ExperimentHeld, ExperimentReleased, FederationPaused, FederationResumed
from bus.events.weights import S3
from bus.memory import MemoryBroker
from bus.ports import BlobStore
from bus.weights import incoming
from bus.wire.record import Record
from support import people
from support.spine import ACME, EXAMPLES, Spine, read, running_spine
from support.story import X

DIGEST = "sha256:"


def kinds(records: list[Record]) -> list[str]:
    return [r.body.TYPE for r in records if not isinstance(r.body, UpdateSealed)]


async def completed(spine: Spine, **changes: object) -> tuple[ExperimentCompleted, list[Record]]:
    await spine.submit(**changes)
    records = await spine.until_said(ExperimentCompleted, ExperimentFailed, ExperimentRefused)
    last = records[-1].body
    assert isinstance(last, ExperimentCompleted), last
    return last, records


async def test_an_experiment_from_submission_to_model(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        end, records = await completed(spine)
        path = tmp_path / "model.safetensors"
        await incoming.download_file(spine.broker.blobs(), end.model, people.identity("acme"), path)
    assert kinds(records) == [
        "experiment.submitted",
        "experiment.admitted",
        "experiment.started",
        *["cycle.opened", "cycle.closed", "model.averaged"] * 4,
        *["cycle.opened", "cycle.closed", "model.evaluated"],
        "experiment.completed",
    ]
    step = sum(Fraction(n) * Fraction(float(np.float32(n / 100))) for n in EXAMPLES.values()) / 100
    first = np.float32(float(step))
    weights = read(path)["w"]
    assert weights.shape == (300_000,)
    assert np.all(weights == weights[0])
    assert abs(weights[0] - 2 * first) <= np.spacing(weights[0])


async def test_the_order_of_answers_changes_no_bit(tmp_path: Path) -> None:
    digests = set()
    for number, order in enumerate((("a", "b", "c"), ("c", "a", "b"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with running_spine(folder) as spine:
            gate = {f"hospital-{name}": asyncio.Event() for name in order}
            gate[f"hospital-{order[0]}"].set()
            for here, following in zip(order, (*order[1:], None), strict=True):
                spine.edges[f"hospital-{here}"].delay = _after(gate, f"hospital-{here}", following)
            end, records = await completed(spine)
            digests.add(end.model.digest)
            answers = [r.actor for r in records if isinstance(r.body, UpdateSealed) and r.body.cycle.number == 1]
            assert answers[:3] == [f"hospital-{name}" for name in order]
    assert len(digests) == 1


def _after(gate: dict[str, asyncio.Event], here: str, following: str | None):
    async def wait(command: RunCycle) -> None:
        if command.cycle.kind != "train" or command.cycle.number != 1:
            return
        await gate[here].wait()
        if following is not None:
            asyncio.get_running_loop().call_later(0.05, gate[f"hospital-{following}"].set)

    return wait


async def test_a_torn_update_is_rejected_named_and_left_out(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        blobs = spine.broker.blobs()

        async def tear(command: RunCycle) -> None:
            if command.cycle.kind == "train" and command.cycle.number == 1:
                # What is written first stays: the edge's own chunk will be refused by the store.
                address = f"w.acme.hospital-b.{X}.update-{command.cycle}-1"
                await blobs.put(f"{address}.c.0", b"torn")

        spine.edges["hospital-b"].delay = tear
        _, records = await completed(spine, quorum=2)
    rejected = [r.body for r in records if isinstance(r.body, UpdateRejected)]
    assert [(r.edge, r.failure.code) for r in rejected] == [("hospital-b", "seal.broken")]
    closings = [r.body for r in records if isinstance(r.body, CycleClosed) and r.body.cycle.number == 1]
    assert [(c.revision, len(c.included)) for c in closings] == [(1, 3), (2, 2)]
    outcome = next(r.body for r in records if isinstance(r.body, ModelAveraged) and r.body.cycle.number == 1)
    assert sorted(outcome.contributors) == ["hospital-a", "hospital-c"]


async def test_stop_keeps_what_there_is(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        asked = asyncio.Event()

        async def ask(command: RunCycle) -> None:
            if command.cycle.kind == "train" and not asked.is_set():
                asked.set()
                await spine.voice("acme").say(StopRequested(experiment=X, request="r"), owner=ACME)

        spine.edges["hospital-a"].delay = ask
        await spine.submit(cycles=5)
        records = await spine.until_said(ExperimentStopped, ExperimentCompleted)
    stopped = records[-1].body
    assert isinstance(stopped, ExperimentStopped)
    assert stopped.model is not None
    averaged = [r.body for r in records if isinstance(r.body, ModelAveraged)]
    assert stopped.model == averaged[-1].model


async def test_a_global_pause_holds_and_releases(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        operator = spine.voice("operator")
        await operator.say(FederationPaused(federation="federation", request="1", reason="incident"))
        await spine.submit()
        held = (await spine.until_said(ExperimentHeld))[-1].body
        assert isinstance(held, ExperimentHeld)
        assert held.reasons == ("the federation is paused: incident",)
        await operator.say(FederationResumed(federation="federation", request="2"))
        records = await spine.until_said(ExperimentCompleted)
    assert any(isinstance(r.body, ExperimentReleased) for r in records)
    opened = next(i for i, r in enumerate(records) if r.body.TYPE == "cycle.opened")
    released = next(i for i, r in enumerate(records) if isinstance(r.body, ExperimentReleased))
    assert released < opened


@pytest.mark.parametrize("changes", [{"quorum": 7}, {"recipients": ()}])
async def test_what_cannot_run_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    async with running_spine(tmp_path) as spine:
        await spine.submit(**changes)
        records = await spine.until_said(ExperimentRefused)
    assert kinds(records) == ["experiment.submitted", "experiment.refused"]


async def test_an_unchanged_model_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.spine.weights_of", lambda edge, command, received: _still(command, received))
    async with running_spine(tmp_path) as spine:
        await spine.submit()
        records = await spine.until_said(ExperimentFailed, ExperimentCompleted)
    failed = records[-1].body
    assert isinstance(failed, ExperimentFailed)
    assert failed.failure.code == "model.unchanged"


def _still(command: RunCycle, received: np.ndarray) -> dict[str, np.ndarray]:
    return {"w": received if command.cycle.kind == "train" else np.zeros(3, np.float32)}


class Later(dict[str, BlobStore]):
    """Stores that the aggregator asks for before the operator has named them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    def __contains__(self, name: object) -> bool:
        self.asked.set()
        return super().__contains__(name)


async def test_no_edge_is_blamed_for_a_store_that_the_aggregator_lacks(tmp_path: Path) -> None:
    later = Later()
    async with running_spine(tmp_path, MemoryBroker(stores=later)) as spine:
        await spine.submit(store=S3)
        async with asyncio.timeout(30):
            await later.asked.wait()
        later[S3] = MemoryBroker().blobs()
        records = await spine.until_said(ExperimentCompleted, ExperimentFailed)
    end = records[-1].body
    assert isinstance(end, ExperimentCompleted), end
    assert end.model.store == S3
    assert not [record for record in records if isinstance(record.body, UpdateRejected)]
