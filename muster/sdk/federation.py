"""A federation as its vendor sees it, in asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from muster.client import Client, connect_with
from muster.sdk import records, showing
from muster.sdk.errors import LinkRefused, ModelRefused, PlanRefused, refused_as
from muster.sdk.experiment import Experiment
from muster.sdk.link import Link
from muster.sdk.listing import Listing
from muster.sdk.model import Model
from muster.sdk.plan import Plan
from muster.sdk.profiles import chosen
from muster.sdk.records import Dataset, Edge, Status
from muster.submission import submit, vetting
from muster.submission.vetting import Subject
from muster.telling import summary

_LAST = 50


class Federation:
    """A connection to a federation; use ``connect``.

    Args:
        client: What it speaks through.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._checked: set[bytes] = set()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, directory: Path | str | None = None, *, profile: str | None = None, principal: str | None = None
    ) -> AsyncIterator[Self]:
        """A connection for as long as the block runs.

        Args:
            directory: Of the federation; without it and ``profile``: see ``muster.sdk.profiles``.
            profile: One of the file of profiles.
            principal: As whom; the federation's only vendor if left out.

        Raises:
            NotFound: No federation is meant, or there is no such profile.
            Configuration: The profile or the keys cannot be used.
            Invalid: There is no such principal, or several vendors to choose from.
            Unavailable: The federation does not run, or cannot be reached.
        """
        found = chosen(os.environ, directory=directory, profile=profile)
        async with connect_with(found.access(principal)) as client:
            yield cls(client)

    @property
    def principal(self) -> str:
        """As whom it is connected."""
        return self._client.identity.principal

    def __repr__(self) -> str:
        return f"<federation, as {self.principal!r}>"

    async def datasets(self) -> Listing[Dataset]:
        """What the edges registered, one entry for each dataset at each edge: metadata only.

        Raises:
            Unavailable: The federation is away.
        """
        await self._client.refresh()
        found = await self._client.datasets()
        entries = [Dataset.of(body) for _, held in sorted(found.items()) for _, body in sorted(held.items())]
        return Listing(entries, records.DATASETS, "no datasets yet: bring one in with 'muster ingest'")

    async def edges(self) -> Listing[Edge]:
        """The edges, and whether they are live.

        Raises:
            Unavailable: The federation is away.
        """
        await self._client.refresh()
        world, enrolled = await self._client.world_of(), await self._client.edges()
        entries = [Edge.of(body, live=world.fleet.presence(edge).live) for edge, body in sorted(enrolled.items())]
        return Listing(entries, records.EDGES, "no edge has enrolled yet")

    async def experiments(self, last: int = _LAST) -> Listing[Status]:
        """How the newest experiments stand; ``experiment(each.id)`` attaches to one.

        Args:
            last: How many; the newest is the last entry.

        Raises:
            Unavailable: The federation is away.
        """
        facts, _ = await summary.recent(self._client, last)
        return Listing(map(Status.of, facts), records.EXPERIMENTS, "no experiments yet: start one with 'start'")

    async def experiment(self, identity: str) -> Experiment:
        """Attach to an experiment.

        Args:
            identity: Its id, or an unambiguous beginning or end of it.

        Raises:
            NotFound: There is none, or more than one.
            Unavailable: The federation is away.
        """
        found = await self._client.experiment(identity)
        return Experiment(self._client, found.id)

    async def upload(self, model: Path | str, weights: Path | str | None = None, *, progress: bool = True) -> Model:
        """Read a model and put it through the eight checks, in a worker without network on this machine.

        Nothing leaves this machine before an experiment is started: then the file is sealed for the edges that take
        part, and for nobody else but its vendor.

        Args:
            model: A Python file, or a flat zip of several.
            weights: A safetensors file to begin with; without it ``<model>_weights.safetensors`` if that is there.
            progress: Show the checks as they are over.

        Raises:
            ModelRefused: The file is wrong or fails a check; the message says which, and what to do.
        """
        return await self.checked_model(model, weights, showing.checks(progress=progress))

    async def checked_model(self, model: Path | str, weights: Path | str | None, tell: showing.TellCheck) -> Model:
        """``upload`` that tells somebody else."""
        with refused_as(ModelRefused):
            subject = await asyncio.to_thread(_read, model, weights)
            report, error = await vetting.vet(subject, vetting.made_up(subject.header), tell)
            if error is not None:
                raise vetting.refusal(report, error)
        self._checked.add(subject.code)
        return Model(subject, report)

    async def link(self, model: Model, dataset: str, *, target: str | None = None) -> Link:
        """Hold a model to the data: does it fit at every edge, and what is there to learn from?

        Args:
            model: From ``upload``.
            dataset: As ``datasets`` names it.
            target: Column to be learned; the one that the owners registered if left out.

        Raises:
            NotFound: Nobody registered the dataset; the nearest name is told.
            LinkRefused: It does not fit; every mismatch is named with the edge where it is.
            Unavailable: The federation is away.
        """
        await self._client.refresh()
        with refused_as(LinkRefused):
            return Link.of(model, dataset, target, await self._client.datasets(), await self._client.edges())

    async def start(self, plan: Plan | Path | str, *, check: bool | None = None, progress: bool = True) -> Experiment:
        """Submit an experiment; returns as soon as it is in the log.

        Everything is held to the data before anything is sent. Then the model is sealed for the edges that hold it.

        Args:
            plan: A plan, or its YAML file.
            check: Whether the model goes through the eight checks with this plan; if left out, unless it came from
                ``upload`` of this connection.
            progress: Show the checks as they are over.

        Raises:
            PlanRefused: The plan is wrong or does not fit the data; nothing was sent.
            ModelRefused: The model file is wrong or fails a check; nothing was sent.
            NotFound: Nobody registered the dataset.
            Unavailable: The federation is away.
        """
        return await self.started(plan, check, showing.checks(progress=progress))

    async def started(self, plan: Plan | Path | str, check: bool | None, tell: showing.TellCheck) -> Experiment:  # noqa: FBT001 - as ``start`` has it
        """``start`` that tells somebody else."""
        await self._client.refresh()
        with refused_as(PlanRefused):
            wanted = plan if isinstance(plan, Plan) else await asyncio.to_thread(Plan.load, plan)
            with refused_as(ModelRefused):
                model = await asyncio.to_thread(Subject.read, wanted.model, wanted.weights)
            draft = submit.with_model(wanted, model)
            data, holders = submit.resolve(draft, await self._client.datasets(), await self._client.edges())
            if check or (check is None and draft.model.code not in self._checked):
                with refused_as(ModelRefused):
                    await submit.check(draft, data, tell)
            return Experiment(self._client, await submit.submit(self._client, draft, data, holders))


def _read(model: Path | str, weights: Path | str | None) -> Subject:
    """A model; its paths are absolute, since a notebook may change its directory."""
    named = None if weights is None else Path(weights).expanduser().resolve()
    return Subject.read(Path(model).expanduser().resolve(), named)
