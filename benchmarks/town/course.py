"""Runs experiments in a town, and notes what every cycle costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast

import yaml

from benchmarks.town.meter import Moment
from benchmarks.town.names import DATASET
from benchmarks.town.town import Town
from bus.errors import MusterError
from bus.events import Body
from bus.events.base import ExperimentId
from bus.events.cycles import CycleClosed, CycleKind, CycleOpened
from bus.events.experiments import ExperimentAborted, ExperimentCompleted, ExperimentFailed
from bus.events.weights import SealedObject
from bus.wire.record import Record
from muster.client import Client, connect
from muster.submission.submit import read_draft, resolve, submit

_MODEL: Final = """framework = "sklearn"
category = "tabular_classification"
main_method = "build"

def build():
    raise NotImplementedError
"""
_DEADLINE_S: Final = 3600.0
_ENDS: Final = (ExperimentCompleted, ExperimentFailed, ExperimentAborted)
_MARKS: Final = (CycleOpened, *_ENDS)


@dataclass(frozen=True)
class Lap:
    """What happened between two moments.

    Attributes:
        kind: Of the cycle; ``None`` for a whole experiment or for rest.
        updates: Answers that were asked for.
        events: Messages that were appended to the log.
        begin: What the processes had used at its beginning.
        end: The same at its end.
        stamped_s: How long it took by the broker's clock, from event to event.
        closed: As ``begin``, when all had answered and the aggregator's part began; ``None`` if there was none.
    """

    kind: CycleKind | None
    updates: int
    events: int
    begin: Moment
    end: Moment
    stamped_s: float = 0.0
    closed: Moment | None = None

    @property
    def wall_s(self) -> float:
        """How long it took."""
        return self.end.at - self.begin.at

    @property
    def averaging_s(self) -> float:
        """How long of that nothing but the aggregator's work was waited for."""
        return 0.0 if self.closed is None else self.end.at - self.closed.at

    @property
    def renewals(self) -> int:
        """Leases that were renewed meanwhile."""
        return self.end.renewals - self.begin.renewals

    def cpu_s(self, name: str) -> float:
        """CPU seconds that processes used."""
        return self.end.cpu_since(self.begin, name)


@dataclass
class Course:
    """Experiments in one town, as its vendor.

    Attributes:
        town: The town.
        client: Of the vendor.
        wishes: Further parts of the plan.
        laps: Cycles that were run.
        model: What came of the last experiment.
    """

    town: Town
    client: Client
    wishes: Mapping[str, object] = field(default_factory=dict)
    laps: list[Lap] = field(default_factory=list)
    model: SealedObject | None = None

    async def rest(self, seconds: float) -> Lap:
        """Nothing but leases."""
        begin = await self.town.look()
        await asyncio.sleep(seconds)
        return Lap(None, 0, 0, begin, await self.town.look())

    async def run(self, cycles: int) -> None:
        """One experiment over all edges, to its end; notes every cycle.

        Raises:
            MusterError: It did not complete.
        """
        experiment = await self._submit(cycles)
        said = self.client.read(f"ev.{self.client.owner}.*.{experiment}.coordinator.>", follow=True)
        opened: tuple[CycleOpened, Record, Moment] | None = None
        closed = None
        async with aclosing(cast("AsyncGenerator[Record, None]", said)) as records:
            async for record in records:
                body, now = record.body, await self.town.look()
                if isinstance(body, CycleClosed):
                    closed = now
                if isinstance(body, _MARKS) and opened is not None:
                    cycle, first, begin = opened
                    events, stamped = record.sequence - first.sequence, record.stored_at - first.stored_at
                    kind, cohort = cycle.cycle.kind, len(cycle.cohort)
                    self.laps.append(Lap(kind, cohort, events, begin, now, stamped.total_seconds(), closed))
                if isinstance(body, CycleOpened):
                    opened, closed = (body, record, now), None
                if isinstance(body, _ENDS):
                    self.model = _completed(body)
                    return

    async def _submit(self, cycles: int) -> ExperimentId:
        folder = self.town.layout.directory
        content = {"name": "scale", "model": "model.py", "data": {"dataset": DATASET}, "cycles": cycles}
        plan = folder / "plan.yaml"
        plan.write_text(yaml.safe_dump({**content, "deadline_s": _DEADLINE_S, **self.wishes}))
        (folder / "model.py").write_text(_MODEL)
        draft = read_draft(plan)
        data, holders = resolve(draft, await self.client.datasets())
        return await submit(self.client, draft, data, holders)


def _completed(body: Body) -> SealedObject:
    if not isinstance(body, ExperimentCompleted):
        raise MusterError(f"the experiment did not complete: {body.model_dump_json()}", code="town.experiment")
    return body.model


@asynccontextmanager
async def in_town(town: Town, wishes: Mapping[str, object] | None = None) -> AsyncIterator[Course]:
    """A course in ``town`` with ``wishes`` in its plans."""
    async with connect(town.layout) as client:
        yield Course(town, client, wishes or {})
