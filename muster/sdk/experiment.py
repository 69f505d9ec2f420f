"""An experiment as its vendor sees it, in asyncio."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from bus.errors import Timeout
from bus.events.base import ExperimentId
from bus.events.experiments import AbortRequested, PauseRequested, Request, ResumeRequested, StopRequested
from bus.wire.record import Record
from coordinator.domain.state import Phase
from muster import artefacts
from muster.artefacts import Artefact
from muster.client import Client
from muster.sdk import records, showing
from muster.sdk.figures import Figures
from muster.sdk.history import confused, frame, scored
from muster.sdk.listing import Listing
from muster.sdk.records import Happening, Status
from muster.telling.follow import View, ended, follow
from muster.telling.story import told
from muster.telling.summary import summary

if TYPE_CHECKING:
    import pandas as pd


class Experiment:
    """One experiment; ``Federation.start`` and ``Federation.experiment`` give it.

    Args:
        client: What it speaks through.
        identity: Its id.
    """

    def __init__(self, client: Client, identity: ExperimentId) -> None:
        self._client = client
        self._id = identity

    @property
    def id(self) -> str:
        """Its id, with which others attach to it."""
        return self._id

    def __repr__(self) -> str:
        return f"<experiment {self._id}>"

    async def status(self) -> Status:
        """How it stands now.

        Raises:
            Unavailable: The federation is away.
        """
        found, world = await self._client.look_up(self._id)
        return Status.of(summary(found, world, await self._client.queued(found)))

    async def events(self) -> Listing[Happening]:
        """What happened so far, event by event.

        Raises:
            Unavailable: The federation is away.
        """
        lines = map(told, await self._records())
        return Listing([Happening(line.text, line.facts) for line in lines], records.EVENTS, "nothing has happened yet")

    async def follow(self, *, progress: bool = True) -> Status:
        """Wait until it ends or is stopped, and show what happens. A server that is away for a while is waited for.

        Args:
            progress: Show it, with a bar for its cycles in a terminal.

        Returns:
            How it ended: completed or stopped.

        Raises:
            ExperimentFailed: It failed; the message says where, why and whose move it is.
            Denied: Policy refused it.
            MusterError: It was aborted.
        """
        with showing.events(progress=progress) as tell:
            return await self.followed(tell)

    async def followed(self, tell: showing.TellEvent) -> Status:
        """``follow`` that tells somebody else."""
        view = await follow(self._client, self._id, tell)
        ended(view)
        return _status(view)

    async def wait(self, timeout_s: float | None = None) -> Status:
        """``follow`` in silence.

        Args:
            timeout_s: How long, in seconds; ``None`` for ever.

        Raises:
            Timeout: It goes on after ``timeout_s``.
            MusterError: As ``follow``.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self.follow(progress=False)
        except TimeoutError as error:
            raise Timeout(
                f"experiment {self._id} has not ended after {timeout_s:g} s: wait longer, or see its status",
                code="sdk.wait",
            ) from error

    async def history(self) -> pd.DataFrame:
        """All scores so far, a row per cycle, split, stage and metric; see ``muster.sdk.history.Scored``.

        Raises:
            Configuration: pandas is not installed.
            Unavailable: The federation is away.
        """
        return frame(scored(await self._records()))

    async def figures(self) -> Figures:
        """What can be drawn of what is recorded so far.

        Raises:
            Unavailable: The federation is away.
        """
        found = await self._client.experiment(self._id)
        records = await self._records()
        return Figures(found.spec.name, scored(records), found.spec.data.classes, confused(records))

    async def download(self, directory: Path | str) -> Artefact:
        """Fetch, open and check its newest global model, with all that predictions need; see ``muster.load``.

        Args:
            directory: Where to; made if missing. What an earlier download left there is replaced.

        Raises:
            NotFound: There is no global model yet, or its weights are gone.
            Integrity: Something in the store is not what the log says.
            Unavailable: The federation is away.
        """
        found = await self._client.experiment(self._id)
        return await artefacts.download(self._client, found, await asyncio.to_thread(artefacts.placed, directory))

    async def pause(self, reason: str = "") -> Status:
        """Open no further cycle until it is resumed; returns within ten seconds, the cycle that runs may take longer.

        Args:
            reason: Why; kept in the log.

        Raises:
            Invalid: It has ended.
        """
        return await self._ask(PauseRequested, reason, Phase.PAUSED)

    async def resume(self, reason: str = "") -> Status:
        """Go on after a pause or a stop. Arguments and errors as ``pause``."""
        return await self._ask(ResumeRequested, reason, Phase.RUNNING)

    async def stop(self, reason: str = "") -> Status:
        """End after the cycle that runs; the model is kept and it can be resumed. Arguments and errors as ``pause``."""
        return await self._ask(StopRequested, reason, Phase.STOPPED)

    async def abort(self, reason: str = "") -> Status:
        """End at once and discard the cycle that runs. Cannot be undone. Arguments and errors as ``pause``."""
        return await self._ask(AbortRequested, reason, Phase.ABORTED)

    async def _records(self) -> list[Record]:
        found = await self._client.experiment(self._id)
        return [record async for record in self._client.history(found)]

    async def _ask(self, kind: type[Request], reason: str, wanted: Phase) -> Status:
        after = await self._client.ask(kind, self._id, reason, wanted)
        return Status.of(summary(after, await self._client.world_of(after.id)))


def _status(view: View) -> Status:
    return Status.of(summary(view.experiment, view.world, view.queued))
