"""Streams and consumers as data: what the broker keeps, for how long, and who takes work from it.

``docs/reference/bus.md`` explains the choices; the broker adapters turn these records into real streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bus.events.custody import WeightsReleased
from bus.events.cycles import CycleClosed
from bus.wire import subjects

MIB: Final = 1024 * 1024
DAY_S: Final = 24 * 3600.0


class StreamName(StrEnum):
    """All streams of a federation."""

    EVENTS = "EVENTS"
    COMMANDS = "COMMANDS"
    WEIGHTS = "WEIGHTS"
    TELEMETRY = "TELEMETRY"
    LEASES = "LEASES"
    DEADLETTERS = "DEADLETTERS"


@dataclass(frozen=True)
class Stream:
    """One stream.

    Attributes:
        name: Its name at the broker.
        subjects: Filters of what it stores.
        write_once: A subject can be written once; a second write is refused. Otherwise the limits below hold.
        last_only: Only the last message of a subject is kept.
        permanent: Nothing can be deleted or purged, by anybody.
        synced: Every message is on disk before it is acknowledged. Otherwise it may be in the broker's memory only, and
            is lost with its process.
        max_age_s: Messages older than this go; ``None`` keeps them.
        share_of_disk: Part of the broker's disk budget that this stream may fill.
        max_message_bytes: Largest message, headers included.
        copies: Whether it is replicated in a cluster.
    """

    name: StreamName
    subjects: tuple[str, ...]
    write_once: bool = False
    last_only: bool = False
    permanent: bool = False
    synced: bool = False
    max_age_s: float | None = None
    share_of_disk: float = 0.05
    max_message_bytes: int = MIB
    copies: bool = True


STREAMS: Final = (
    Stream(StreamName.EVENTS, ("ev.>",), write_once=True, permanent=True, synced=True, share_of_disk=0.2),
    Stream(StreamName.COMMANDS, ("cmd.>",), write_once=True, synced=True, max_age_s=7 * DAY_S),
    # Synced, since the event that follows an upload says that it is there. One copy: replicating sealed weights costs
    # five to ten times the CPU, and what is lost with a disk is a cycle that is tried again.
    Stream(StreamName.WEIGHTS, ("w.>",), write_once=True, synced=True, share_of_disk=0.55, copies=False),
    Stream(StreamName.TELEMETRY, ("tel.>",), max_age_s=3 * DAY_S, copies=False),
    Stream(StreamName.LEASES, ("lease.>",), last_only=True, max_age_s=DAY_S),
    Stream(StreamName.DEADLETTERS, ("dead.>",), write_once=True, synced=True, max_age_s=30 * DAY_S),
)


def stream(name: StreamName) -> Stream:
    """The record of a stream."""
    return next(record for record in STREAMS if record.name is name)


@dataclass(frozen=True)
class Consumer:
    """A durable place in a stream, made in advance, from which one principal takes work.

    Attributes:
        name: Unique within the stream; permissions name it exactly.
        stream: Where it takes from.
        filter: Which subjects.
        ack_wait_s: Work not settled, and not reported as in progress, for this long is delivered again.
        max_ack_pending: Most deliveries under way at once.
    """

    name: str
    stream: StreamName
    filter: str
    ack_wait_s: float = 10.0
    max_ack_pending: int = 16


def commands_of(edge: str) -> Consumer:
    """The consumer from which an edge takes its commands."""
    return Consumer(f"edge-{edge}", StreamName.COMMANDS, subjects.commands(edge))


AGGREGATOR: Final = Consumer(
    "aggregator",
    StreamName.EVENTS,
    subjects.said(CycleClosed),
    max_ack_pending=4,
)
"""Closed cycles, for the aggregator."""
RELEASES: Final = Consumer("releases", StreamName.EVENTS, subjects.said(WeightsReleased))
"""Weights that nobody keeps any more, for the aggregator."""
WORK: Final = (AGGREGATOR, RELEASES)
"""Places from which the aggregator takes work."""

READERS_PER_PRINCIPAL: Final = 8
"""How many histories a principal may read at once: its readers' names are part of its permissions."""


def reader(principal: str, slot: int) -> str:
    """Name of a temporary consumer with which ``principal`` reads a history."""
    return f"{principal}-r{slot}"
