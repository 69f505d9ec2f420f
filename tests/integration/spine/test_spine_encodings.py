"""Encoded updates on the spine: every strategy, what edges make up, what it comes to in bytes, replay and forks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aggregator.domain.strategies.registry import STRATEGIES
from bus.errors import Invalid
from bus.events.base import Digest, ExperimentId, PrincipalId
from bus.events.cycles import CycleKind, RunCycle, UpdateRejected, UpdateSealed
from bus.events.experiments import ExperimentCompleted, ExperimentFailed, ExperimentRefused, Strategy
from bus.events.strategies import KINDS, settled
from bus.events.weights import Encoded, Encoding
from bus.weights import encoded
from bus.weights.sealing import TAG_BYTES
from bus.wire.record import Record
from muster.keeping.retention import kept
from muster.submission.fork import fork_of
from muster.telling.explain import explained
from muster.telling.story import told
from support import spine as support
from support.experiments import CYCLES, client, ended, ran, replayed, trained
from support.spine import ACME, EXAMPLES, running_spine
from support.story import X

ALL_OF_IT = Encoding(values="int8", keep=0.05, error_feedback=True, compression="zstd")
DENSE = Encoding(values="int8", error_feedback=True, compression="zstd")
LYING = "hospital-c"


@pytest.fixture(autouse=True)
def _noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges that learn something else for every element."""
    plain = support.weights_of

    def weights_of(edge: str, command: RunCycle, received: np.ndarray) -> dict[str, np.ndarray]:
        if command.cycle.kind is not CycleKind.TRAIN:
            return plain(edge, command, received)
        noise = np.random.default_rng([EXAMPLES[edge], command.cycle.number])
        return {"w": received + noise.normal(0, 0.01, received.size).astype(np.float32)}

    monkeypatch.setattr("support.spine.weights_of", weights_of)


def updates(history: list[Record]) -> list[UpdateSealed]:
    bodies = [record.body for record in history]
    return [b for b in bodies if isinstance(b, UpdateSealed) and b.cycle.kind is CycleKind.TRAIN]


@pytest.mark.parametrize("name", [name for name in STRATEGIES if KINDS[name].frameworks is None])
async def test_every_strategy_that_allows_it_trains_and_replays(tmp_path: Path, name: str) -> None:
    encoding = DENSE if KINDS[name].elementwise else ALL_OF_IT
    parameters = {"f": 0.0} if "f" in KINDS[name].parameters else {}
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, settled(Strategy(name=name, parameters=parameters)), encoding=encoding)
        assert isinstance(history[-1].body, ExperimentCompleted), history[-1].body
        results = await replayed(spine)
    assert len(results) == CYCLES + 3
    assert all(result.equal for result in results), results
    sealed = [update.weights for update in updates(history)]
    assert len(sealed) == 3 * CYCLES
    assert all(w.encoded and w.encoded.encoding == encoding for w in sealed if w)
    assert [update.follows is not None for update in updates(history)] == [False] * 3 + [True] * 3 * (CYCLES - 1)


async def test_the_bytes_that_are_counted_are_those_that_lie_there(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, Strategy(name="fedavg"), encoding=ALL_OF_IT)
        for record in history:
            update = record.body
            if not isinstance(update, UpdateSealed) or update.cycle.kind is not CycleKind.TRAIN:
                continue
            body, blobs = update.weights, spine.broker.blobs()
            assert body is not None
            there = [await blobs.get(s) for s in sorted(await blobs.subjects(f"{body.address}.c.>"))]
            assert len(there) == body.chunks == 3
            assert sum(map(len, there)) == body.sent_bytes + TAG_BYTES * body.chunks
            assert body.sent_bytes < 0.03 * body.size_bytes
            assert f"{body.sent_bytes} bytes in place of {body.size_bytes}" in told(record).text


async def test_lossless_compression_changes_nothing(tmp_path: Path) -> None:
    digests = []
    for number, encoding in enumerate((Encoding(), Encoding(compression="zstd"))):
        (folder := tmp_path / str(number)).mkdir()
        async with running_spine(folder) as spine:
            digests.append(
                [m.model.digest for m in trained(await ran(spine, Strategy(name="fedavg"), encoding=encoding))]
            )
    assert digests[0] == digests[1]


async def test_a_repeated_run_gives_the_same_models(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        (folder := tmp_path / name).mkdir()
        async with running_spine(folder) as spine:
            digests.append(
                [m.model.digest for m in trained(await ran(spine, Strategy(name="fedavg"), encoding=ALL_OF_IT))]
            )
    assert digests[0] == digests[1]


Lie = Callable[[Encoded, Path], Encoded]


def _cut(said: Encoded, frames: Path) -> Encoded:
    rewritten = [frame[:-1] for frame in encoded.read_frames(frames)]
    with frames.open("wb") as file:
        for frame in rewritten:
            encoded.write_frame(file, frame)
    return said


def _of_another_model(said: Encoded, _frames: Path) -> Encoded:
    return said.model_copy(update={"model": Digest("sha256:" + 64 * "0")})


def _of_another_kind(said: Encoded, _frames: Path) -> Encoded:
    return said.model_copy(update={"encoding": said.encoding.model_copy(update={"values": "int4"})})


def _sparse(said: Encoded, _frames: Path) -> Encoded:
    return said.model_copy(update={"encoding": said.encoding.model_copy(update={"keep": 0.5})})


def _less(said: Encoded, _frames: Path) -> Encoded:
    return said.model_copy(update={"sent_bytes": said.sent_bytes - 1})


@pytest.mark.parametrize(
    ("lie", "strategy", "code"),
    [
        (_less, "fedavg", "encoding.frame"),
        (_less, "fedmedian", "encoding.frame"),
        (_cut, "fedavg", "encoding.frame"),
        (_cut, "fedmedian", "encoding.frame"),
        (_cut, "fedadam", "encoding.frame"),
        (_of_another_model, "fedavg", "encoding.model"),
        (_of_another_kind, "fedavg", "encoding.unknown"),
        (_sparse, "fedavg", "encoding.frame"),
        (_sparse, "fedmedian", "encoding.strategy"),
    ],
)
async def test_what_an_edge_makes_up_is_left_out_and_named(tmp_path: Path, lie: Lie, strategy: str, code: str) -> None:
    async with running_spine(tmp_path) as spine:
        true = spine.edges[LYING].encode

        def encode(command: RunCycle, record: Record, model: Path, path: Path) -> tuple[Encoded, bool, Path]:
            said, went_on, frames = true(command, record, model, path)
            return lie(said, frames), went_on, frames

        spine.edges[LYING].encode = encode  # type: ignore[method-assign]
        history = await ran(spine, settled(Strategy(name=strategy)), encoding=DENSE, quorum=2)
        results = await replayed(spine)
    assert isinstance(history[-1].body, ExperimentCompleted), history[-1].body
    rejected = [r.body for r in history if isinstance(r.body, UpdateRejected)]
    assert [(body.edge, body.failure.code) for body in rejected] == [(LYING, code)] * CYCLES
    assert all(result.equal for result in results), results


async def test_what_does_not_go_together_is_refused_though_the_vendor_did_not_look(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, settled(Strategy(name="fedmedian")), encoding=ALL_OF_IT)
    refused = history[-1].body
    assert isinstance(refused, ExperimentRefused)
    assert "compares updates element by element" in " ".join(refused.reasons)


@pytest.mark.parametrize("anew", [False, True])
async def test_a_fork_decodes_what_its_parent_stored(tmp_path: Path, anew: bool) -> None:
    encoding = ALL_OF_IT.model_copy(update={"error_feedback": False})
    async with running_spine(tmp_path) as spine:
        made = trained(await ran(spine, Strategy(name="fedavg"), encoding=encoding))
        parent = await client(spine.broker, "operator").experiment(X)
        fork = fork_of(parent, 2, anew=anew).model_copy(update={"experiment": ExperimentId("01F")})
        await spine.voice("acme").say(fork, owner=ACME)
        mine = trained(await ended(spine, "01F"))
        assert [m.model.digest for m in mine] == [m.model.digest for m in made[1 if anew else 2 :]]
        assert all(result.equal for result in await replayed(spine, "01F"))


async def test_sparse_updates_are_not_averaged_anew_by_a_median(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        await ran(spine, Strategy(name="fedavg"), encoding=ALL_OF_IT)
        parent = await client(spine.broker, "operator").experiment(X)
        # A vendor who says nothing of the parent's encoding gets by the policy engine, and no further.
        changes = {"experiment": ExperimentId("01F"), "strategy": settled(Strategy(name="fedmedian"))}
        fork = fork_of(parent, 2, anew=True).model_copy(update={**changes, "encoding": Encoding(), "deadline_s": 2.0})
        await spine.voice("acme").say(fork, owner=ACME)
        history = await ended(spine, "01F")
    assert isinstance(history[-1].body, ExperimentFailed)
    rejected = {r.body.edge: r.body.failure.code for r in history if isinstance(r.body, UpdateRejected)}
    assert rejected
    assert set(rejected.values()) == {"encoding.strategy"}
    assert "M4304" in "".join(explained(history))


async def test_a_fork_may_send_updates_as_they_are(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        await ran(spine, Strategy(name="fedavg"), encoding=ALL_OF_IT)
        parent = await client(spine.broker, "operator").experiment(X)
        with pytest.raises(Invalid, match="--plain"):
            fork_of(parent, 2, strategy="fedmedian")
        fork = fork_of(parent, 2, strategy="fedmedian", plain=True)
        await spine.voice("acme").say(fork.model_copy(update={"experiment": ExperimentId("01F")}), owner=ACME)
        history = await ended(spine, "01F")
    assert isinstance(history[-1].body, ExperimentCompleted)
    assert all(update.weights and update.weights.encoded is None for update in updates(history))


async def test_a_model_that_is_gone_is_missed_by_the_updates_that_differ_from_it(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        made = trained(await ran(spine, Strategy(name="fedavg"), encoding=ALL_OF_IT))
        operator = client(spine.broker, "operator")
        await spine.broker.blobs().delete(f"{made[0].model.address}.>")
        said = {each.cycle: each.replay for each in await kept(operator, await operator.experiment(X))}
        results = {result.cycle: result.gone for result in await replayed(spine)}
    assert {cycle for cycle, why in said.items() if why} == {"2-train-1"}
    assert "the last global model" in said["2-train-1"]
    assert {cycle for cycle, gone in results.items() if gone} == {"2-train-1"}


async def test_what_is_left_out_stays_at_the_edge(tmp_path: Path) -> None:
    async with running_spine(tmp_path) as spine:
        history = await ran(spine, Strategy(name="fedavg"), encoding=ALL_OF_IT)
        there = await spine.broker.blobs().subjects("w.>")
        mine = {s for s in there if s.split(".")[2] == "hospital-a"}
    assert {s.split(".")[4] for s in mine} == {
        str(update.weights.address).split(".")[4]
        for record in history
        if isinstance(update := record.body, UpdateSealed)
        and record.actor == PrincipalId("hospital-a")
        and update.weights
    }
