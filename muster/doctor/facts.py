"""What a diagnosis rests on: facts without a verdict, and findings with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bus.identity.directory import Principal
from bus.wire.topology import Consumer, Stream
from muster.federation.layout import Description, Layout


class State(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Works, but not as it should, or not for long."""
    BROKEN = "broken"
    """Something that the federation is for does not work."""


@dataclass(frozen=True)
class Finding:
    """What one check came to.

    Attributes:
        check: Which one.
        state: The verdict.
        found: What there is.
        meaning: What follows from it.
        remedy: What to do next.
    """

    check: str
    state: State
    found: str
    meaning: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Key:
    """The keys of one principal.

    Attributes:
        principal: Whose.
        path: Their file.
        mode: Its permission bits; ``None`` if there is no such file.
        public: The public part; ``None`` if the file cannot be read.
        trouble: Why it cannot be read.
    """

    principal: str
    path: Path
    mode: int | None = None
    public: Principal | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Disk:
    """The file system that holds the federation.

    Attributes:
        directory: The federation's.
        total_bytes: Its size, as far as this user may fill it.
        free_bytes: What is left for this user.
    """

    directory: Path
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class StreamFacts:
    """One stream as it should be and as it is.

    Attributes:
        spec: What it is for.
        wanted: The configuration that it should have.
        config: The one that it has; ``None`` if there is no such stream.
        size_bytes: What it holds.
    """

    spec: Stream
    wanted: Mapping[str, Any]
    config: Mapping[str, Any] | None = None
    size_bytes: int = 0


@dataclass(frozen=True)
class ConsumerFacts:
    """One durable consumer.

    Attributes:
        spec: What it is for.
        holder: Who takes work from it.
        wanted: The configuration that it should have.
        config: The one that it has; ``None`` if there is no such consumer.
        waiting: Messages that were not handed out yet.
        under_way: Messages that were handed out and not settled.
    """

    spec: Consumer
    holder: str
    wanted: Mapping[str, Any]
    config: Mapping[str, Any] | None = None
    waiting: int = 0
    under_way: int = 0


@dataclass(frozen=True)
class Lease:
    """The last sign of life of a process.

    Attributes:
        holder: Whose.
        valid_s: How long it counts.
        age_s: How long ago the broker stored it, by the broker's clock.
        ahead_s: How far the holder's clock is ahead of the broker's; negative when it is behind.
    """

    holder: str
    valid_s: float
    age_s: float
    ahead_s: float


@dataclass(frozen=True)
class Waiting:
    """An experiment that waits.

    Attributes:
        experiment: Which one.
        reason: For what.
        moving: It waits for work that is under way, as every experiment does most of the time.
    """

    experiment: str
    reason: str
    moving: bool


@dataclass(frozen=True)
class Said:
    """What the log and the leases tell.

    Attributes:
        leases: The last one of each holder.
        registered: What the operator registered last, by principal.
        isolation: How workers are isolated, by edge that has enrolled.
        datasets: Names of the datasets that each edge registered.
        waiting: Experiments that wait.
    """

    leases: Mapping[str, Lease] = field(default_factory=dict)
    registered: Mapping[str, Principal] = field(default_factory=dict)
    isolation: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True)
class Server:
    """The broker.

    Attributes:
        url: Where it should be.
        version: What it calls itself; ``None`` if it did not say.
        code: Of the error that kept us from asking it; empty if none did.
        trouble: That error's message.
    """

    url: str
    version: str | None = None
    code: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Beside:
    """The store for large models beside the broker, tried as the operator.

    Attributes:
        where: Address and bucket.
        keeps: Whether what is written first stays; ``None`` if it could not be tried.
        code: Of the error that kept us from trying; empty if none did.
        trouble: That error's message.
        exposed: Files with keys that others on this machine can read.
    """

    where: str
    keeps: bool | None = None
    code: str = ""
    trouble: str = ""
    exposed: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Bus:
    """What a broker that answers tells.

    Attributes:
        streams: All that there should be.
        consumers: All that there should be.
        dead: Dead letters by service and code, the code as it stands in a subject; ``None`` if there is no
            stream for them.
        said: What the log tells; ``None`` if it cannot be read.
    """

    streams: tuple[StreamFacts, ...] = ()
    consumers: tuple[ConsumerFacts, ...] = ()
    dead: Mapping[tuple[str, str], int] | None = None
    said: Said | None = None


@dataclass(frozen=True)
class Facts:
    """Everything.

    Attributes:
        layout: Where the federation's files are.
        description: What it consists of.
        keys: Of every principal.
        anchor: The operator's public keys, which everybody starts from; ``None`` if they cannot be read.
        disk: Where it is kept.
        server: The broker.
        bus: What it tells; ``None`` if it does not answer.
        beside: The store for large models; ``None`` if there is none.
    """

    layout: Layout
    description: Description
    keys: tuple[Key, ...]
    anchor: Principal | None
    disk: Disk
    server: Server
    bus: Bus | None
    beside: Beside | None = None
