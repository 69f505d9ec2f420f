"""Brings data in, then says so: stored first, then said.

Killed between the two, or with the broker away, nothing is lost: the same run again finds the rows stored and says
what was not said. Saying the same twice is harmless, since each revision of a dataset has a subject that is written
once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from bus.errors import Configuration, Conflict, Unavailable
from bus.events import Role
from bus.events.base import FEDERATION
from bus.events.datasets import DatasetRegistered
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker
from bus.ports import Broker
from bus.runtime.settings import ServiceSettings
from bus.runtime.voice import Voice
from bus.wire import subjects
from bus.wire.topology import StreamName
from ingest.config import IngestConfig
from ingest.domain.findings import Severity
from ingest.domain.profile import Split
from ingest.domain.registration import Outcome, SplitOutcome, registration
from ingest.report import IngestReport
from ingest.run import ingest
from ingest.store import Store

_log = logging.getLogger(__name__)

_RETRY_S: Final = 0.2


class IngestSettings(ServiceSettings):
    """What is taken from the settings of the edge; what only the edge daemon needs is passed over."""

    model_config = SettingsConfigDict(extra="ignore")

    store_url: SecretStr
    """URL of the owner's data store; it may hold a password, so it is not shown."""


@dataclass(frozen=True)
class _Said:
    """Under which revision a dataset was announced, and where in the log."""

    revision: int
    sequence: int


async def bring_in(
    config: IngestConfig, settings: IngestSettings, *, patience_s: float, broker: Broker | None = None
) -> Outcome:
    """Store the files of a dataset, and register it as the edge.

    Args:
        config: What to load.
        settings: Of the edge.
        patience_s: How long to wait for the broker once the rows are stored.
        broker: Where to say it; that of the settings if left out.

    Raises:
        MusterError: As ``ingest.run.ingest``; then nothing was stored or said.
        Configuration: The keys are missing, or not those of an edge.
        Unavailable: The broker stayed away; the rows are stored, and running again says what was not said.
        Denied: The broker does not accept this edge.
    """
    identity = _edge(settings)
    report = await ingest(config, progress=_progress)
    event = registration(report.profile, identity.principal, report.revision, config.consent)
    if event is None:
        _log.warning("%s is not announced: it has no train split yet", config.dataset)
        return _outcome(config, identity, report)
    endpoint = Endpoint(settings.server_url, identity.principal, identity.nkey_seed)
    try:
        async with AsyncExitStack() as stack:
            there = broker or await _connect(stack, endpoint, patience_s)
            said = await _say(event, there, Voice(there, identity, patience_s=patience_s), config)
    except Unavailable as error:
        raise Unavailable(
            f"revision {event.revision} of the dataset {event.dataset!r} is stored, but not announced: "
            f"{error.message}. Run the same again when the federation is up",
            code="ingest.unsaid",
        ) from error
    return _outcome(config, identity, report, said)


def _edge(settings: IngestSettings) -> Identity:
    identity = Identity.load(settings.identity)
    if identity.role is not Role.EDGE:
        raise Configuration(
            f"{identity.principal!r} is a {identity.role}, and only an edge holds data: give the settings of an edge",
            code="ingest.role",
        )
    return identity


async def _say(event: DatasetRegistered, broker: Broker, voice: Voice, config: IngestConfig) -> _Said:
    """Say it under its revision, or under a new one if that is taken."""
    try:
        return _Said(event.revision, await voice.say(event))
    except Conflict:
        # Another store had this number before (this one replaces it), or an older release worded the event otherwise.
        later = event
        while await broker.log(StreamName.EVENTS).get(_subject(later)) is not None:
            later = later.model_copy(update={"revision": later.revision + 1})
    _log.warning("revision %s was announced before: it becomes revision %s", event.revision, later.revision)
    async with Store.open(config.store.get_secret_value()) as store:
        await store.renumber(event.dataset, later.revision)
    return _Said(later.revision, await voice.say(later))


def _subject(event: DatasetRegistered) -> str:
    return subjects.of(event, owner=FEDERATION, actor=event.edge)


async def _connect(stack: AsyncExitStack, endpoint: Endpoint, patience_s: float) -> Broker:
    """A broker that is given ``patience_s`` to come up."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience_s
    while True:
        try:
            return await stack.enter_async_context(JetStreamBroker.connect(endpoint))
        except Unavailable:
            if loop.time() >= until:
                raise
            await asyncio.sleep(_RETRY_S)


def _progress(split: Split, step: str, rows: int) -> None:
    _log.debug("%s of %s: %s rows", step, split, rows)


def _outcome(config: IngestConfig, identity: Identity, report: IngestReport, said: _Said | None = None) -> Outcome:
    profile = report.profile
    splits = {
        split: SplitOutcome(
            rows=counts.rows,
            stored=report.splits[split].stored if split in report.splits else 0,
            classes=counts.classes,
        )
        for split, counts in profile.splits.items()
    }
    warnings = tuple(
        f"{config.files[split]}: {finding}"
        for split, each in report.splits.items()
        for finding in each.verdict.findings
        if finding.severity is Severity.WARNING
    )
    return Outcome(
        dataset=profile.dataset,
        edge=identity.principal,
        revision=report.revision if said is None else said.revision,
        digest=profile.digest,
        splits=splits,
        sequence=None if said is None else said.sequence,
        warnings=warnings,
    )
