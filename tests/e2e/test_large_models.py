"""A federation whose weights lie in an S3-compatible store: the same models, with the broker holding keys alone."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.events.cycles import CycleOpened, ModelAveraged, UpdateSealed
from bus.events.weights import JETSTREAM, S3, SealedObject
from bus.identity.directory import Principal
from bus.wire.record import Record
from muster.client import connect
from muster.doctor.beside import tried
from muster.federation.store import Store
from muster.keeping.retention import kept
from muster.proof.replay import replay
from muster.telling.follow import View
from support.federation import EDGES, PLAN, Town, federation
from support.people import ROLES, identity
from support.terminal import Terminal
from support.weed import Weed, actions, key_of, running_weed

BUCKET = "muster-town"
SHORT = PLAN.replace("cycles: 2", "cycles: 1")
NAMES = ("operator", "coordinator", "aggregator", "policy_engine", "audit_sink", *EDGES, "acme")


@pytest.fixture
def weed(tmp_path: Path) -> Iterator[Weed]:
    """A store in which each principal may do what it needs."""
    keys = actions([Principal.of(identity(name)) for name in ROLES], BUCKET)
    with running_weed(tmp_path / "weed", keys=keys) as server:
        yield server


def store_of(weed: Weed, folder: Path) -> Store:
    file = folder / "keys.json"
    file.write_text(json.dumps({name: key_of(name) for name in NAMES}))
    return Store.read(f"{weed.endpoint}/{BUCKET}?from_bytes=0", file)


async def bodies(town: Town, experiment: str) -> list[SealedObject]:
    """Updates and outcomes of an experiment."""
    async with connect(town.layout, "operator") as client:
        found = []
        async for record in client.history(await client.experiment(experiment)):
            match record.body:
                case UpdateSealed(weights=SealedObject() as body) | ModelAveraged(model=body):
                    found.append(body)
        return found


async def submitted(town: Town) -> list[str]:
    async with connect(town.layout, "operator") as client:
        return [str(name) for name in await client.submissions()]


@pytest.mark.timeout(240)
async def test_the_same_model_by_either_store(weed: Weed, tmp_path: Path) -> None:
    async with federation(tmp_path, store=store_of(weed, tmp_path)) as town:
        town.plan.write_text(SHORT + "transport: {store: jetstream}\n")
        here = await town.run()
        town.plan.write_text(SHORT)  # By size: here everything is large.
        working = asyncio.Event()

        def tell(_view: View, record: Record | None) -> None:
            if record is not None and isinstance(record.body, CycleOpened):
                working.set()

        async def restart() -> None:
            await working.wait()
            await asyncio.to_thread(weed.kill)
            await asyncio.to_thread(weed.start)

        there = await town.run(tell, disturb=restart)
        assert there.digest == here.digest
        assert {k: n for k, n in there.events.items() if "update" in k[1]} == {
            k: n for k, n in here.events.items() if "update" in k[1]
        }

        first, second = await submitted(town)
        assert {body.store for body in await bodies(town, first)} == {JETSTREAM}
        assert {body.store for body in await bodies(town, second)} == {S3}
        async with connect(town.layout, "operator") as client:
            blobs = client.broker.blobs()
            for body in await bodies(town, second):
                at_broker = await blobs.subjects(f"{body.address}.>")
                assert at_broker
                assert all(".key." in subject for subject in at_broker)
                assert len(await blobs.at(S3).subjects(f"{body.address}.>")) == body.chunks

        async with connect(town.layout, "operator") as operator, connect(town.layout, "aggregator") as aggregator:
            experiment = await operator.experiment(second)
            replayed = await replay(aggregator, experiment, lambda _: None)
            assert all(outcome.equal for outcome in replayed)
            outcomes = await kept(operator, experiment)
            assert not any(outcome.replay or outcome.anew for outcome in outcomes if "train" in outcome.cycle)
        fetched = await Terminal(tmp_path, town.layout.directory).succeed("download", second, "--out", tmp_path / "out")
        assert fetched["digest"] == here.digest
        found = await tried(town.layout, town.layout.read())
        assert found is not None
        assert (found.keeps, found.trouble, found.exposed) == (True, "", ())
        _no_secret_leaked(town)


def _no_secret_leaked(town: Town) -> None:
    """Keys are in one file each, and nowhere else: not in settings, logs, the description or the streams."""
    holders = []
    for path in town.layout.directory.rglob("*"):
        if path.is_file() and b"secret-of-" in path.read_bytes():
            holders.append(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(holders) == sorted(town.layout.s3_credential(name) for name in NAMES)
