"""Experiments on a spine: run to their end, looked up, replayed."""

from __future__ import annotations

import asyncio

from bus.events.cycles import CycleKind, ModelAveraged
from bus.events.experiments import ExperimentCompleted, ExperimentFailed, ExperimentRefused, Strategy
from bus.ports import Broker
from bus.runtime.voice import Voice
from bus.wire.record import Record
from muster.client import Client
from muster.proof.replay import Recomputed, replay
from support import people
from support.spine import Spine
from support.story import X

CYCLES = 3


def client(broker: Broker, name: str) -> Client:
    identity = people.identity(name)
    return Client(broker, identity, people.directory(), Voice(broker, identity))


async def ran(spine: Spine, strategy: Strategy, **changes: object) -> list[Record]:
    await spine.submit(cycles=CYCLES, strategy=strategy, **changes)
    return await ended(spine)


async def ended(spine: Spine, experiment: str = X) -> list[Record]:
    """The events of one experiment, to its end."""
    history = []
    async with asyncio.timeout(60):
        async for record in client(spine.broker, "acme").read(f"ev.acme.*.{experiment}.>", follow=True):
            history.append(record)
            if isinstance(record.body, ExperimentCompleted | ExperimentFailed | ExperimentRefused):
                return history
    raise AssertionError


async def replayed(spine: Spine, experiment: str = X) -> list[Recomputed]:
    asked = await client(spine.broker, "operator").experiment(experiment)
    return await replay(client(spine.broker, "aggregator"), asked, lambda _result: None)


def trained(history: list[Record]) -> list[ModelAveraged]:
    bodies = [record.body for record in history]
    return [b for b in bodies if isinstance(b, ModelAveraged) and b.cycle.kind is CycleKind.TRAIN]
