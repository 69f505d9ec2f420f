"""What is released goes, from either store, and everybody who looks for it is told since when."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bus.errors import Invalid
from bus.events.base import FEDERATION, ExperimentId
from bus.events.custody import Keep, KeepingRuled, WeightsPurged, WeightsReleased
from bus.events.experiments import ExperimentCompleted, ExperimentFailed
from bus.events.weights import JETSTREAM, S3
from bus.runtime.voice import Voice
from bus.weights import incoming
from bus.wire.record import Record
from muster.client import Client
from muster.keeping.purge import planned, purge
from muster.keeping.retention import kept
from muster.proof.replay import replay
from muster.submission.fork import fork_of
from muster.telling.explain import explained
from support import people
from support.place import Place, place
from support.spine import ACME, Spine, running_spine
from support.weed import Weed


def client(found: Place, name: str) -> Client:
    identity = people.identity(name)
    broker = found.brokers[name]
    return Client(broker, identity, people.directory(), Voice(broker, identity))


async def ran(found: Place, spine: Spine, identity: str, store: str, **changes: object) -> list[Record]:
    """All events of an experiment, until everything is removed that is released at its end."""
    for edge in spine.edges.values():
        edge.store = store
    await spine.submit(experiment=ExperimentId(identity), store=store, **changes)
    history: list[Record] = []
    released, over = 0, False
    async with asyncio.timeout(60):
        async for record in client(found, "operator").read(f"ev.acme.*.{identity}.>", follow=True):
            history.append(record)
            over = over or isinstance(record.body, ExperimentCompleted | ExperimentFailed)
            if isinstance(record.body, WeightsReleased):
                released = record.body.turn
            last = [step for r in history if isinstance(r.body, WeightsReleased) for step in r.body.updates]
            done = isinstance(record.body, WeightsPurged) and record.body.turn == released
            if over and done and "2-train" in last:
                return history
    raise AssertionError


async def objects(found: Place, store: str, identity: str) -> set[str]:
    """Names of the bodies of which there are chunks."""
    blobs = found.brokers["operator"].blobs().at(store)
    return {s.split(".")[4] for s in await blobs.subjects(f"w.acme.*.{identity}.>") if ".c." in s}


@pytest.mark.parametrize("store", [JETSTREAM, S3])
async def test_the_rule_is_kept_in_either_store(weed: Weed, tmp_path: Path, store: str) -> None:
    async with place(tmp_path, weed) as found, running_spine(tmp_path, brokers=found.brokers) as spine:
        operator = client(found, "operator")
        await operator.say(KeepingRuled(federation=FEDERATION, keep=Keep.LAST, last=2, request="r"))
        history = await ran(found, spine, "01R", store)
        assert await objects(found, store, "01R") == {"model-1-train-1-1", "model-2-train-1-1"}
        keys = {s for s in await operator.broker.blobs().subjects("w.acme.*.01R.>") if ".key." in s}
        assert {s.split(".")[4] for s in keys} == {"model-1-train-1-1", "model-2-train-1-1"}
        end = next(r.body for r in history if isinstance(r.body, ExperimentCompleted))
        out = tmp_path / "model.safetensors"
        await incoming.download_file(found.brokers["acme"].blobs(), end.model, people.identity("acme"), out)

        experiment = await operator.experiment("01R")
        results = {r.cycle: r for r in await replay(client(found, "aggregator"), experiment, lambda _: None)}
        assert results["2-train-1"].gone
        assert f"released on {history[-1].stored_at:%Y-%m-%d}: the rule of the federation is to keep last 2" in str(
            results["2-train-1"].reason
        )
        told = {k.cycle: k for k in await kept(operator, experiment)}
        assert told["2-train-1"].fork == "the model file: no longer kept", "these edges never had one"
        assert "released on" in told["0-initialise-1"].fork
        assert "released on" in told["1-train-1"].replay
        sentences = explained(history)
        assert any("Sealed weights were let go, since the rule of the federation is" in s for s in sentences)

        late = fork_of(experiment, 1, anew=True).model_copy(update={"experiment": ExperimentId("01S")})
        await spine.voice("acme").say(late, owner=ACME)
        async with asyncio.timeout(60):
            async for record in operator.read("ev.acme.*.01S.>", follow=True):
                if isinstance(record.body, ExperimentFailed):
                    assert "no longer kept" in record.body.failure.message
                    break


async def test_room_is_made_by_hand_after_a_look_at_what_would_go(weed: Weed, tmp_path: Path) -> None:
    async with place(tmp_path, weed) as found, running_spine(tmp_path, brokers=found.brokers) as spine:
        operator = client(found, "operator")
        await spine.submit()
        await spine.until_said(ExperimentCompleted)
        experiment = await operator.experiment("01X")
        before = await objects(found, JETSTREAM, "01X")
        going = await planned(operator, experiment, Keep.MODELS, 1)
        assert [(g.step, g.what, g.bodies) for g in going] == [
            ("0-statistics", "updates", 3),
            ("0-initialise", "updates", 1),
            ("1-train", "updates", 3),
            ("2-train", "updates", 3),
        ]
        assert sum(g.size_bytes for g in going) > 6 * 1_200_000
        assert await objects(found, JETSTREAM, "01X") == before, "a look changes nothing"
        done = await purge(operator, experiment, Keep.MODELS, 1, "room")
        assert done is not None
        assert (done.bodies, done.left) == (10, ())
        assert await objects(found, JETSTREAM, "01X") == {name for name in before if name.startswith("model-")}
        assert await planned(operator, experiment, Keep.MODELS, 1) == []
        final = await purge(operator, experiment, Keep.NOTHING, 1, "the vendor asked for it")
        assert final is not None
        assert await objects(found, JETSTREAM, "01X") == set()

        await spine.submit(experiment=ExperimentId("01Y"), quorum=3, cycles=9)
        running = await operator.experiment("01Y")
        with pytest.raises(Invalid, match="Abort it first"):
            await planned(operator, running, Keep.NOTHING, 1)
