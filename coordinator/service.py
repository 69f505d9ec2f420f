"""The coordinator as a process: its world, the leases it watches, the deadlines it keeps, the commands it gives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import Field

from bus.errors import Unavailable
from bus.events import Role
from bus.events.base import FEDERATION, ExperimentId, PrincipalId
from bus.events.cycles import RunCycle
from bus.events.principals import EdgeAppeared, EdgeLapsed, LeaseRenewed
from bus.runtime.aio import until
from bus.runtime.deciding import Decider
from bus.runtime.listening import ignore, verified
from bus.runtime.service import Context, Task
from bus.runtime.settings import ServiceSettings
from bus.wire import subjects
from bus.wire.decision import Decision
from bus.wire.record import Record
from bus.wire.topology import StreamName
from coordinator.domain.forks import parent_of
from coordinator.domain.leases import Watch
from coordinator.domain.orders import orders
from coordinator.domain.recall import recall
from coordinator.domain.state import Experiment
from coordinator.domain.world import PLACES, World


class CoordinatorSettings(ServiceSettings):
    """Settings of the coordinator."""

    experiments_per_edge: int = Field(default=PLACES, ge=1)
    """How many experiments an edge takes part in at once; the others queue, fairly by vendor. An edge trains for one
    after the other all the same: more keeps it busy while others' cycles wait for stragglers."""


async def build(context: Context[CoordinatorSettings]) -> Mapping[str, Task]:
    """Bring the world up to date with the log; returns the root tasks."""
    coordinator = Coordinator(context)
    await coordinator.decider.catch_up()
    return {
        "events": coordinator.decider.follow,
        "leases": coordinator.follow_leases,
        "deadlines": coordinator.keep_deadlines,
    }


class Coordinator:
    """The coordinator's world and what it does about it."""

    def __init__(self, context: Context[CoordinatorSettings]) -> None:
        self._context = context
        self._watch = Watch(context.settings.lease_s)
        self._given: dict[ExperimentId, tuple[str, dict[PrincipalId, int]]] = {}
        self._reported: dict[str, str] = {}
        self._looked = asyncio.Event()
        self.world = World(context.settings.experiments_per_edge, remember=False)
        self.decider = Decider(context, self.world, self._order, before=self._recall)

    async def follow_leases(self) -> None:
        """Note which edges appear and lapse."""
        context = self._context
        signs = verified(
            context.broker, context.directory, "lease.>", reject=ignore, stream=StreamName.LEASES, follow=True
        )
        async for record in until(context.stop, signs):
            body = record.body
            if not isinstance(body, LeaseRenewed) or self._stale(record, body):
                continue
            if body.holder == context.voice.identity.principal:
                noted: Sequence[EdgeAppeared | EdgeLapsed] = self._watch.beat(self.world.fleet)
            elif context.directory[body.holder].role is Role.EDGE:
                appeared = self._watch.heard(body.holder, body.valid_s, self.world.fleet)
                noted = [appeared] if appeared is not None else []
            else:
                continue
            for event in noted:
                strand = self.world.fleet.presence(event.edge).strand
                await self.decider.say(Decision(event, FEDERATION, strand), cause=None)

    async def keep_deadlines(self) -> None:
        """Decide when a deadline passes."""
        while not self._context.stop.is_set():
            self._looked.clear()
            now = self._context.broker.now()
            deadlines = self.world.deadlines()
            await self.decider.advance([key for key, at in deadlines.items() if at <= now], cause=None)
            await self._sleep(now, [at for at in deadlines.values() if at > now])

    async def _order(self, entity_id: str, cause: Record | None) -> None:
        """Give the commands that follow from an experiment's state; each is written once."""
        experiment = self.world.experiments.get(entity_id)
        if experiment is None:
            return
        given = self._given_in(experiment)
        for command in orders(experiment, self._context.broker.now(), given):
            await self._context.voice.order(command, cause=cause)
            given[command.edge] = command.trial if isinstance(command, RunCycle) else 0
        await self._report(experiment)
        if cause is not None:
            self._looked.set()

    def _given_in(self, experiment: Experiment) -> dict[PrincipalId, int]:
        """Edge -> what it was told last about the cycle that runs, or about its end."""
        if experiment.cycle is None:
            for over in (self._given.keys() - self.world.experiments.keys()) | {experiment.id}:
                self._given.pop(over, None)
            return {}
        about = f"{experiment.cycle.opened} {experiment.phase.final}"
        known, given = self._given.get(experiment.id, ("", {}))
        if known != about:
            known, given = self._given[experiment.id] = (about, {})
        return given

    async def _report(self, experiment: Experiment) -> None:
        """Tell the vendor what an experiment waits for, whenever that changes."""
        report = self.world.waits_for(experiment.id)
        if report.reason != self._reported.get(experiment.id, ""):
            with suppress(Unavailable):
                await self._context.voice.report(report, owner=experiment.owner)
                if report.reason:
                    self._reported[experiment.id] = report.reason
                else:
                    del self._reported[experiment.id]

    async def _recall(self, record: Record) -> None:
        """Before a fork is folded: read its parent's history again. The world holds no more of it than it must."""
        parent = parent_of(record)
        if parent is None:
            return
        filter_ = subjects.events(owner=record.owner, entity_id=parent)
        told = verified(self._context.broker, self._context.directory, filter_, reject=ignore)
        self.world.recall(recall([old async for old in told if old.sequence < record.sequence]))

    def _stale(self, record: Record, lease: LeaseRenewed) -> bool:
        """Leases left over from before this process started do not count once they have run out."""
        return self._context.broker.now() - record.stored_at > timedelta(seconds=lease.valid_s)

    async def _sleep(self, now: datetime, upcoming: list[datetime]) -> None:
        """Until the next deadline, the next change, or the end."""
        wait_s = (min(upcoming) - now).total_seconds() if upcoming else None
        waits = {asyncio.ensure_future(event.wait()) for event in (self._looked, self._context.stop)}
        try:
            await asyncio.wait(waits, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
