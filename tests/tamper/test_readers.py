"""What edges, vendors and replays read from a store that lies, or by the word of somebody who does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from aggregator.averaging import Averaging
from bus.errors import MusterError
from bus.events.base import Digest, ExperimentId, OwnerId, PrincipalId
from bus.events.cycles import (
    Contribution,
    Cycle,
    CycleClosed,
    CycleKind,
    ModelAveraged,
    RunCycle,
    UpdateFailed,
    UpdateSealed,
)
from bus.events.experiments import Strategy
from bus.events.strategies import settled
from bus.events.weights import JETSTREAM, S3, Resources, SealedObject
from bus.runtime.listening import ignore, verified
from bus.runtime.voice import Voice
from bus.weights import incoming, layout, outgoing
from bus.wire import subjects
from bus.wire.envelope import message_id
from muster.client import Client
from muster.proof.replay import Recomputed, replay
from support import people
from support.attacks import ATTACKS, NOWHERE, Attack, body_of
from support.place import Place
from support.site import EDGE, Site, X
from support.spine import ACME
from support.story import submission
from support.victim import Victim

pytestmark = [pytest.mark.asyncio(loop_scope="session")]
TRAIN = Cycle(number=1, kind=CycleKind.TRAIN)
UNPLACED = {"store.unknown", "update.empty", "weights.not_finite"}
"""Codes whose message need not say where the body is."""
GONE = {"blob.missing", "seal.recipient"}


def cases(reader: str) -> list[object]:
    return [
        pytest.param(attack, store, id=f"{attack.what}-{store}")
        for attack in ATTACKS
        for store in attack.stores
        if reader in attack.readers
    ]


def written(folder: Path, seed: int = 7) -> Path:
    """A body of three chunks."""
    path = folder / f"body-{seed}.safetensors"
    values = np.random.default_rng(seed).normal(size=300_000).astype(np.float32)
    path.write_bytes(body_of({"w": values}))
    return path


async def stored(place: Place, path: Path, address: str, reader: str, store: str) -> SealedObject:
    data = path.read_bytes()
    actor = subjects.address_parts(address)[1]
    return await outgoing.upload_file(
        place.brokers[actor].blobs(),
        path,
        address,
        people.identity(actor),
        {reader: people.directory()[reader].sealing},  # type: ignore[index]
        layout=layout.parse(data[: layout.header_bytes(data)]).digest,
        store=lambda _: store,
    )


async def victim_of(place: Place, path: Path, address: str, reader: str, store: str) -> Victim:
    sealed = await stored(place, path, address, reader, store)
    assert sealed.chunks == 3
    return Victim(place.brokers["operator"].blobs(), place.weed, place.bucket, sealed, path, reader)


def located(code: str, told: SealedObject, message: str) -> bool:
    """Whether a message says which body it is about."""
    return code in UNPLACED or told.address in message


# ---- the vendor ----


@pytest.mark.parametrize(("attack", "store"), cases("result"))
async def test_a_vendor_gets_no_model(quiet: Place, tmp_path: Path, attack: Attack, store: str) -> None:
    address = f"w.acme.aggregator.{quiet.name()}.model-1-train-1-1"
    victim = await victim_of(quiet, written(tmp_path), address, "acme", store)
    blobs, out = quiet.brokers["acme"].blobs(), tmp_path / "out"
    await incoming.download_file(blobs, victim.sealed, people.identity("acme"), out)
    out.unlink()
    told = await attack.act(victim) or victim.sealed
    with pytest.raises(MusterError) as caught:
        await incoming.download_file(blobs, told, people.identity("acme"), out)
    assert caught.value.code == attack.code
    assert located(attack.code, told, caught.value.message)
    assert [path.name for path in tmp_path.iterdir()] == [victim.plain.name], "nothing may be left of it"


# ---- an edge ----


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(quiet: Place, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A real edge daemon with data, and a clean model file."""
    site = await Site.made(tmp_path_factory.mktemp("site"), quiet.brokers[EDGE])
    async with site.running():
        yield site


async def answer(site: Site, place: Place, command: RunCycle) -> UpdateFailed | UpdateSealed:
    filter_ = f"ev.acme.update.{X}.{EDGE}.>"
    asked = message_id(subjects.of(command, owner="acme", actor="coordinator"))
    async with asyncio.timeout(60):
        broker = place.brokers["operator"]
        async for record in verified(broker, people.directory(), filter_, reject=ignore, follow=True):
            body = record.body
            if isinstance(body, UpdateFailed | UpdateSealed) and body.command == asked:
                return body
    raise AssertionError


async def order(site: Site, place: Place, **changes: object) -> RunCycle:
    return await site.order(CycleKind.TRAIN, 1, trial=int(place.name()[1:]), **changes)


async def test_an_edge_reads_what_is_whole(site: Site, quiet: Place, tmp_path: Path) -> None:
    """The other tests here mean something: untouched, such bodies get past the edge's reading."""
    victim = await victim_of(quiet, written(tmp_path), f"w.acme.aggregator.{quiet.name()}.model-0", EDGE, S3)
    said = await answer(site, quiet, await order(site, quiet, model=victim.sealed))
    assert isinstance(said, UpdateFailed)
    assert said.failure.phase == "train", "these are not the weights of its model, but they are whole"


@pytest.mark.parametrize(("attack", "store"), cases("model"))
async def test_an_edge_trains_on_no_such_model(
    site: Site, quiet: Place, tmp_path: Path, attack: Attack, store: str
) -> None:
    address = f"w.acme.aggregator.{quiet.name()}.model-1-train-1-1"
    victim = await victim_of(quiet, written(tmp_path), address, EDGE, store)
    told = await attack.act(victim) or victim.sealed
    refused(await answer(site, quiet, await order(site, quiet, model=told)), attack, told)


@pytest.mark.parametrize(("attack", "store"), cases("code"))
async def test_an_edge_runs_no_such_code(site: Site, quiet: Place, tmp_path: Path, attack: Attack, store: str) -> None:
    victim = await victim_of(quiet, written(tmp_path), f"w.acme.acme.{quiet.name()}.code", EDGE, store)
    told = await attack.act(victim) or victim.sealed
    refused(await answer(site, quiet, await order(site, quiet, code=told)), attack, told)


def refused(said: UpdateFailed | UpdateSealed, attack: Attack, told: SealedObject) -> None:
    assert isinstance(said, UpdateFailed)
    assert (said.failure.code, said.failure.edge, said.failure.phase) == (attack.code, EDGE, "fetch")
    assert said.cycle == TRAIN
    assert located(attack.code, told, said.failure.message)
    assert said.resources is not None
    assert said.resources.cpu_s == 0, "nothing may have run"


# ---- a replay ----


@pytest.mark.parametrize(("attack", "store"), cases("replay"))
async def test_a_replay_believes_no_aggregator(quiet: Place, tmp_path: Path, attack: Attack, store: str) -> None:
    """An aggregator that averaged what it should have refused is found out later."""
    experiment = ExperimentId(quiet.name())
    (good, bad), made, closed = await averaged(quiet, tmp_path, experiment, store)
    neighbour, mine = good.weights, bad.weights
    assert mine is not None
    victim = Victim(
        quiet.brokers["operator"].blobs(),
        quiet.weed,
        quiet.bucket,
        mine,
        tmp_path / "body-2.safetensors",
        "aggregator",
        neighbour,
    )
    told = await attack.act(victim) or mine
    bad = bad.model_copy(update={"weights": told if told.address != NOWHERE else None})
    await tell(quiet, experiment, store, {"hospital-a": good, "hospital-b": bad}, closed, made)
    (result,) = await replayed(quiet, experiment)
    assert not result.equal
    assert result.found is None
    assert result.code == attack.code, result
    assert result.gone == (attack.code in GONE)
    assert result.reason is not None
    assert located(attack.code, told, result.reason)


@pytest.mark.parametrize("store", [JETSTREAM, S3])
async def test_a_replay_of_what_is_whole_is_equal(quiet: Place, tmp_path: Path, store: str) -> None:
    experiment = ExperimentId(quiet.name())
    (good, bad), made, closed = await averaged(quiet, tmp_path, experiment, store)
    await tell(quiet, experiment, store, {"hospital-a": good, "hospital-b": bad}, closed, made)
    (result,) = await replayed(quiet, experiment)
    assert result.equal


async def averaged(
    place: Place, folder: Path, experiment: ExperimentId, store: str
) -> tuple[list[UpdateSealed], ModelAveraged, CycleClosed]:
    """Two updates, and what an honest aggregator makes of them."""
    updates = []
    for number, edge in enumerate(("hospital-a", "hospital-b"), start=1):
        address = f"w.acme.{edge}.{experiment}.update-1-train-1-1"
        body = await stored(place, written(folder, number), address, "aggregator", store)
        order = subjects.command(RunCycle, edge=edge, experiment=experiment, key="1-train-1-1")
        updates.append(
            UpdateSealed(
                experiment=experiment,
                cycle=TRAIN,
                command=message_id(order),
                weights=body,
                examples=10 * number,
                resources=Resources(wall_s=0, cpu_s=0, peak_memory_bytes=0),
                environment=Digest("sha256:e"),
            )
        )
    edges = [PrincipalId("hospital-a"), PrincipalId("hospital-b")]
    said = [f"ev.acme.update.{experiment}.{edge}.sealed.1-train-1" for edge in edges]
    first = await stored(place, written(folder, 3), f"w.acme.aggregator.{experiment}.first", "aggregator", store)
    closed = CycleClosed(
        experiment=experiment,
        cycle=TRAIN,
        revision=1,
        included=tuple(
            Contribution(edge=edge, update=message_id(subject), weight=update.examples)
            for edge, subject, update in zip(edges, said, updates, strict=True)
        ),
        strategy=settled(Strategy(name="fedavg")),
        model=first,
        recipients=(PrincipalId("aggregator"),),
        store=store,
    )
    blobs, identity = place.brokers["aggregator"].blobs(), people.identity("aggregator")
    averaging = Averaging(blobs, identity, people.directory(), 0)
    outcome = await averaging.average(closed, OwnerId("acme"), dict(zip(edges, updates, strict=True)))
    made = ModelAveraged(
        experiment=experiment, cycle=TRAIN, revision=1, model=outcome.model, contributors={}, weight=30
    )
    return updates, made, closed


async def tell(
    place: Place,
    experiment: ExperimentId,
    store: str,
    updates: dict[str, UpdateSealed],
    closed: CycleClosed,
    made: ModelAveraged,
) -> None:
    """Say it all, signed by whose business it is."""
    said = {"acme": submission(experiment=experiment, cycles=1, store=store), **updates}
    for name, body in {**said, "coordinator": closed, "aggregator": made}.items():
        await Voice(place.brokers[name], people.identity(name)).say(body, owner=ACME)


async def replayed(place: Place, experiment: ExperimentId) -> list[Recomputed]:
    def client(name: str) -> Client:
        broker, identity = place.brokers[name], people.identity(name)
        return Client(broker, identity, people.directory(), Voice(broker, identity))

    asked = await client("operator").experiment(experiment)
    return await replay(client("aggregator"), asked, lambda _result: None)
