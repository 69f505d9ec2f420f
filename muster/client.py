"""A principal's connection to a federation: reads what it may see, asks for what it wants."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from bus.errors import Invalid, NotFound
from bus.events import Event, Role
from bus.events.base import ExperimentId, OwnerId, PrincipalId
from bus.events.datasets import DatasetRegistered
from bus.events.experiments import ExperimentSubmitted, QueueReported, Request
from bus.events.principals import EdgeEnrolled
from bus.identity.directory import Directory, Principal
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker
from bus.ports import Broker
from bus.runtime.listening import PRINCIPALS, ignore, learn_principals, verified
from bus.runtime.voice import Voice
from bus.s3.settings import S3Settings, stores
from bus.wire import subjects
from bus.wire.record import Record
from bus.wire.topology import StreamName
from coordinator.domain.forks import parent_of
from coordinator.domain.recall import recall
from coordinator.domain.state import Experiment, Phase
from coordinator.domain.world import World
from muster.federation.layout import OPERATOR, Layout

PATIENCE_S = 10.0
_ANSWER_S: Final = 10.0
_FLEET: Final = ("ev.federation.dataset.>", "ev.federation.edge.>")
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True)
class Client:
    """See the module; made by ``connect``.

    Attributes:
        broker: The bus.
        identity: Whose connection it is.
        directory: Everybody that the operator registered.
        voice: To speak as that principal.
    """

    broker: Broker
    identity: Identity
    directory: Directory
    voice: Voice

    @property
    def owner(self) -> OwnerId:
        """In whose business this principal speaks."""
        return self.identity.owner

    async def refresh(self) -> None:
        """Learn who was registered since: a connection that lasts must believe those too."""
        async for _ in self.read(PRINCIPALS):
            pass

    async def world(self) -> World:
        """Experiments, edges and datasets, as far as this principal may see them: folds the whole log."""
        return await self._folded(["ev.>"] if self._scope == "*" else [*_FLEET, f"ev.{self.owner}.>"])

    async def world_of(self, *experiments: ExperimentId) -> World:
        """Edges and datasets, and these experiments alone."""
        # What an experiment says comes last: so nothing of it is missing below the world's position.
        return await self._folded(
            [*_FLEET, *(subjects.events(owner=self._scope, entity_id=each) for each in experiments)]
        )

    async def _folded(self, filters: list[str]) -> World:
        world = World()
        records = [record for filter_ in filters async for record in self.read(filter_)]
        for record in sorted(records, key=lambda r: r.sequence):
            parent = parent_of(record)
            if parent is not None and parent not in world.experiments:
                told = self.read(subjects.events(owner=record.owner, entity_id=parent))
                world.recall(recall([each async for each in told if each.sequence < record.sequence]))
            world.fold(record)
        return world

    @property
    def _scope(self) -> str:
        """Whose experiments it may see: one owner's, or all."""
        return "*" if self.identity.principal == OPERATOR else self.owner

    async def submissions(self, experiment: str = "*") -> list[ExperimentId]:
        """The ids of all experiments, or of this one if there is such a one, the oldest first."""
        filter_ = subjects.said(ExperimentSubmitted, owner=self._scope, entity_id=experiment)
        found = [r.body.experiment async for r in self.read(filter_) if isinstance(r.body, ExperimentSubmitted)]
        return list(dict.fromkeys(found))

    def read(self, filter_: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Record]:
        """Verified events under ``filter_``."""
        return verified(self.broker, self.directory, filter_, reject=ignore, after=after, follow=follow)

    async def experiment(self, identity: str) -> Experiment:
        """One experiment, by its id or an unambiguous beginning or end of it.

        Raises:
            NotFound: There is none, or more than one.
        """
        experiment, _ = await self.look_up(identity)
        return experiment

    async def look_up(self, identity: str) -> tuple[Experiment, World]:
        """The same, with the world that it was found in: ``world_of`` it. Raises as ``experiment``."""
        found = await self._find(identity)
        world = await self.world_of(found)
        return world.experiments[found], world

    async def history(self, experiment: Experiment, *, after: int = 0, follow: bool = False) -> AsyncIterator[Record]:
        """All events about an experiment, in order."""
        filter_ = subjects.events(owner=experiment.owner, entity_id=experiment.id)
        async for record in self.read(filter_, after=after, follow=follow):
            yield record

    def progress(self, experiment: ExperimentId) -> AsyncIterator[Record]:
        """Progress reports about an experiment, without end."""
        return verified(
            self.broker,
            self.directory,
            f"tel.{self.owner}.{experiment}.>",
            reject=ignore,
            stream=StreamName.TELEMETRY,
            follow=True,
        )

    async def queued(self, experiment: Experiment) -> QueueReported | None:
        """What the coordinator said last about an experiment that waits to start."""
        subject = f"tel.{experiment.owner}.{experiment.id}.{Role.COORDINATOR}"
        stored = await self.broker.log(StreamName.TELEMETRY).get(subject)
        if stored is None:
            return None
        body = self.directory.verify(stored.message).body
        return body if isinstance(body, QueueReported) else None

    async def datasets(self) -> dict[str, dict[PrincipalId, DatasetRegistered]]:
        """Dataset -> edge -> what the edge registered last."""
        found: dict[str, dict[PrincipalId, DatasetRegistered]] = {}
        async for record in self.read("ev.federation.dataset.>"):
            if isinstance(record.body, DatasetRegistered):
                found.setdefault(record.body.dataset, {})[record.body.edge] = record.body
        return found

    async def edges(self) -> dict[PrincipalId, EdgeEnrolled]:
        """Edge -> how it enrolled last."""
        found = {}
        async for record in self.read("ev.federation.edge.>"):
            if isinstance(record.body, EdgeEnrolled):
                found[record.body.edge] = record.body
        return found

    async def request(self, kind: type[Request], identity: str, reason: str) -> Experiment:
        """Ask for something about a running experiment.

        Raises:
            NotFound: No such experiment.
            Invalid: It has ended.
        """
        experiment = await self.experiment(identity)
        if experiment.phase.final:
            raise Invalid(
                f"experiment {experiment.id} has {experiment.phase}: nothing can be asked of it any more",
                code="experiment.over",
            )
        await self.say(kind(experiment=experiment.id, request=secrets.token_hex(6), reason=reason), experiment.owner)
        return experiment

    async def ask(self, kind: type[Request], identity: str, reason: str, wanted: Phase) -> Experiment:
        """Ask for something about a running experiment; the experiment once it is so, or as it is after ten seconds.

        Raises:
            NotFound: No such experiment.
            Invalid: It has ended.
        """
        return await self.wait_for_phase(await self.request(kind, identity, reason), wanted, _ANSWER_S)

    async def say(self, event: Event, owner: OwnerId | None = None) -> int:
        """Append an event; see ``Voice.say``."""
        return await self.voice.say(event, owner=owner or self.owner)

    async def wait_for_phase(self, experiment: Experiment, wanted: Phase, timeout_s: float) -> Experiment:
        """The experiment once it is in a phase or has ended, or as it is after ``timeout_s``."""
        world = await self.world_of(experiment.id)
        position = world.position

        def there() -> bool:
            phase = world.experiments[experiment.id].phase
            return phase is wanted or phase.final

        if there():
            return world.experiments[experiment.id]
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                async for record in self.history(experiment, after=position, follow=True):
                    world.fold(record)
                    if there():
                        break
        return world.experiments[experiment.id]

    async def _find(self, identity: str) -> ExperimentId:
        if _ID.fullmatch(identity) and (found := await self.submissions(identity)):
            return found[0]
        known = await self.submissions()
        found = [key for key in known if key.startswith(identity) or key.endswith(identity)]
        if len(found) == 1:
            return found[0]
        what = "no experiment" if not found else "more than one experiment"
        raise NotFound(f"{what} {identity!r}; 'muster list' shows all", code="experiment.missing")


@dataclass(frozen=True)
class Access:
    """What it takes to connect as somebody.

    Attributes:
        server_url: Where the NATS server is; all servers of a cluster, separated by commas.
        identity: Directory with the principal's keys.
        anchor: File with the operator's public keys.
        s3: The store for large models, if there is one.
    """

    server_url: str
    identity: Path
    anchor: Path
    s3: S3Settings | None = None

    @classmethod
    def of(cls, layout: Layout, principal: str | None = None) -> Self:
        """As a principal of the federation in a directory; ``None`` for its only vendor.

        Raises:
            Invalid: There is no such principal, or several vendors to choose from.
            Configuration: The federation's description is damaged.
        """
        description = layout.read()
        name = _principal(principal, description.vendors, description.principals)
        return cls(description.url, layout.identity(name), layout.anchor, layout.s3(name, description))


@asynccontextmanager
async def connect_with(access: Access) -> AsyncIterator[Client]:
    """Connect to a federation.

    Raises:
        Configuration: The keys cannot be read.
        Unavailable: The federation does not run, or cannot be reached.
        Denied: The server does not know these keys.
    """
    identity = Identity.load(access.identity)
    anchor = Principal.load(access.anchor)
    endpoint = Endpoint(access.server_url, identity.principal, identity.nkey_seed)
    async with JetStreamBroker.connect(endpoint, stores=stores(access.s3)) as broker:
        directory = await learn_principals(broker, anchor)
        yield Client(broker, identity, directory, Voice(broker, identity, patience_s=PATIENCE_S))


@asynccontextmanager
async def connect(layout: Layout, principal: str | None = None) -> AsyncIterator[Client]:
    """``connect_with`` what is in a federation's directory.

    Args:
        layout: Where it is.
        principal: As whom; ``None`` for its only vendor.

    Raises:
        Invalid: There is no such principal, or several vendors to choose from.
        Unavailable: The federation does not run.
    """
    async with connect_with(Access.of(layout, principal)) as client:
        yield client


def _principal(wanted: str | None, vendors: tuple[str, ...], everybody: tuple[str, ...]) -> str:
    if wanted is None:
        if len(vendors) == 1:
            return vendors[0]
        raise Invalid(f"say as whom with --as; vendors here: {', '.join(vendors)}", code="principal.choice")
    if wanted not in everybody:
        raise Invalid(
            f"there is no principal {wanted!r} in this federation; there are {', '.join(everybody)}",
            code="principal.choice",
        )
    return wanted
