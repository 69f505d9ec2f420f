"""Removes from the stores what the coordinator released. Safe to repeat: what is gone is gone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Final

from bus.errors import Configuration, Denied
from bus.events import Role
from bus.events.custody import WeightsPurged, WeightsReleased
from bus.events.weights import JETSTREAM, S3
from bus.identity.directory import Directory
from bus.ports import Blobs, BlobStore, Broker
from bus.runtime.listening import ignore, verified
from bus.runtime.voice import Voice
from bus.wire import subjects
from bus.wire.record import Record
from bus.wire.topology import StreamName

_log = logging.getLogger(__name__)
_OBJECT: Final = re.compile(r"(update|model|state)-(\d+-[a-z]+)-\d+-\d+")
"""What an object's name says: kind, step, and then attempt, and trial or revision."""


class Purging:
    """Handles releases.

    Args:
        broker: Where they are said, and where the wrapped keys lie.
        voice: Of the aggregator.
        directory: Whom to believe.
    """

    def __init__(self, broker: Broker, voice: Voice, directory: Directory) -> None:
        self._broker = broker
        self._voice = voice
        self._directory = directory

    async def handle(self, record: Record) -> None:
        """Remove what was released of an experiment up to here, and say so once.

        What came late for a step that was released before goes with it.

        Raises:
            Unavailable: A store is away; handle it again.
        """
        said = record.body
        assert isinstance(said, WeightsReleased)
        answer = WeightsPurged(experiment=said.experiment, turn=said.turn, bodies=0)
        events = self._broker.log(StreamName.EVENTS)
        if await events.get(subjects.of(answer, owner=record.owner, actor=self._voice.identity.principal)):
            return
        gone = await self._released(said, record)
        removed, left = 0, []
        for name, store in _stores(self._broker.blobs()):
            try:
                removed += await _remove(store, record.owner, said, gone)
            except Denied as error:
                if name == JETSTREAM:
                    raise
                _log.warning("released weights are left in %s: %s", name, error)
                left.append(name)
        answer = answer.model_copy(update={"bodies": removed, "left": tuple(left)})
        await self._voice.say(answer, owner=record.owner, cause=record)
        _log.info("weights purged", extra={"experiment": said.experiment, "bodies": removed})

    async def _released(self, said: WeightsReleased, record: Record) -> frozenset[tuple[str, str]]:
        """Kinds and steps of all objects that are released, by this event and those before it."""
        filter_ = subjects.said(WeightsReleased, owner=record.owner, entity_id=said.experiment)
        gone = set(_named(said))
        async for earlier in verified(self._broker, self._directory, filter_, reject=ignore):
            if isinstance(earlier.body, WeightsReleased) and earlier.sequence < record.sequence:
                gone.update(_named(earlier.body))
        return frozenset(gone)


def _named(said: WeightsReleased) -> Iterable[tuple[str, str]]:
    yield from (("update", step) for step in said.updates)
    yield from ((kind, step) for kind in ("model", "state") for step in said.outcomes)


def _stores(blobs: Blobs) -> Iterable[tuple[str, BlobStore]]:
    """The stores that this process knows; at the broker's the keys go first, without which the rest is noise."""
    for name in (JETSTREAM, S3):
        try:
            yield name, blobs.at(name)
        except Configuration:
            continue


async def _remove(store: BlobStore, owner: str, said: WeightsReleased, gone: frozenset[tuple[str, str]]) -> int:
    """How many bodies there were of what is gone now."""
    removed = 0
    for actor in (*said.edges, Role.AGGREGATOR):
        found = await store.subjects(f"w.{owner}.{actor}.{said.experiment}.>")
        for address in sorted({".".join(subject.split(".")[:5]) for subject in found}):
            told = _OBJECT.fullmatch(subjects.address_parts(address)[3])
            if told is not None and (told[1], told[2]) in gone:
                await store.delete(f"{address}.>")
                removed += 1
    return removed
