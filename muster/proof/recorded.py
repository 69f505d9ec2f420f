"""What the log says about each sealed update of an experiment: the command that it answers, and the data behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bus.events.base import DatasetId, ExperimentId, PrincipalId
from bus.events.cycles import CycleOpened, RunCycle, UpdateFailed, UpdateSealed
from bus.events.datasets import DatasetRegistered
from bus.wire import subjects
from bus.wire.envelope import message_id
from bus.wire.record import Record
from coordinator.domain.orders import orders
from coordinator.domain.world import World
from muster.client import Client
from muster.federation.layout import OPERATOR


@dataclass(frozen=True)
class Recorded:
    """One sealed update.

    Attributes:
        edge: Who sealed it.
        place: Of its cycle in the experiment, from 0.
        update: What the edge said.
        command: What it was told, as it follows from the log; ``None`` if that cannot be said.
        data: What the edge had registered when it worked; ``None`` if that cannot be said, or no data was needed.
        problem: Why something cannot be said.
    """

    edge: PrincipalId
    place: int
    update: UpdateSealed
    command: RunCycle | None
    data: DatasetRegistered | None = None
    problem: str | None = None


async def log_of(client: Client) -> list[Record]:
    """Everything about experiments and datasets that ``client`` may read, in order."""
    if client.identity.principal == OPERATOR:
        return [record async for record in client.read("ev.>")]
    filters = (f"ev.{client.owner}.>", "ev.federation.dataset.>")
    return sorted([r for each in filters async for r in client.read(each)], key=lambda record: record.sequence)


def recorded(records: Iterable[Record], experiment: ExperimentId) -> list[Recorded]:
    """All sealed updates of an experiment, by cycle and edge.

    Args:
        records: The log, in order: everything about experiments and datasets.
        experiment: Which.
    """
    return _Reading(experiment).of(records)


class _Reading:
    def __init__(self, experiment: ExperimentId) -> None:
        self._experiment = experiment
        self._world = World()
        self._opened: dict[str, int] = {}
        """Cycle -> sequence of its opening; its place in here is the cycle's place."""
        self._commands: dict[tuple[str, PrincipalId], RunCycle] = {}
        self._failed: dict[tuple[str, PrincipalId], int] = {}
        self._registered: dict[tuple[DatasetId, PrincipalId], list[tuple[int, DatasetRegistered]]] = {}

    def of(self, records: Iterable[Record]) -> list[Recorded]:
        found = []
        for record in records:
            self._world.fold(record)
            body: Any = record.body
            if isinstance(body, DatasetRegistered):
                self._registered.setdefault((body.dataset, record.actor), []).append((record.sequence, body))
            elif getattr(body, "experiment", None) != self._experiment:
                continue
            elif isinstance(body, CycleOpened):
                self._open(record, body)
            elif isinstance(body, UpdateFailed):
                self._failed[str(body.cycle), record.actor] = body.trial
            elif isinstance(body, UpdateSealed):
                found.append(self._sealed(record, body))
        return sorted(found, key=lambda each: (each.place, each.edge))

    def _open(self, record: Record, body: CycleOpened) -> None:
        self._opened[str(body.cycle)] = record.sequence
        # The coordinator's own rule says what follows from the log; it needs no memory of what was really sent.
        for command in orders(self._world.experiments[self._experiment], record.stored_at):
            if isinstance(command, RunCycle) and command.cycle == body.cycle:
                self._commands[str(body.cycle), command.edge] = command

    def _sealed(self, record: Record, update: UpdateSealed) -> Recorded:
        edge, cycle = record.actor, str(update.cycle)
        place = list(self._opened).index(cycle) if cycle in self._opened else len(self._opened)
        command = self._answered(update, edge)
        if command is None:
            return Recorded(edge, place, update, None, problem="it answers no command that follows from the log")
        data, problem = self._data(command, self._opened[cycle], record.sequence)
        return Recorded(edge, place, update, command, data, problem)

    def _answered(self, update: UpdateSealed, edge: PrincipalId) -> RunCycle | None:
        """The command that ``update`` names, by any trial that there can have been."""
        cycle = str(update.cycle)
        first = self._commands.get((cycle, edge))
        if first is None:
            return None
        for trial in range(1, self._failed.get((cycle, edge), 0) + 2):
            command = first.model_copy(update={"trial": trial})
            if message_id(subjects.of(command, owner=command.owner, actor="coordinator")) == update.command:
                return command
        return None

    def _data(self, command: RunCycle, opened: int, said: int) -> tuple[DatasetRegistered | None, str | None]:
        """What the edge had registered between two places of the log, if that is one thing."""
        known = self._registered.get((command.data.dataset, command.edge), [])
        before = [body for sequence, body in known if sequence < opened][-1:]
        during = [body for sequence, body in known if opened < sequence < said]
        digests = {body.digest for body in (*before, *during)}
        if not digests:
            return None, f"the log knows of no dataset {command.data.dataset!r} at this edge before it worked"
        if len(digests) > 1:
            return None, "the dataset was ingested anew while the edge worked: which rows it used cannot be said"
        return (*before, *during)[-1], None
