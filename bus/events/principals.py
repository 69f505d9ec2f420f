"""Who is who: principals, edges and their leases."""

from __future__ import annotations

from typing import ClassVar, Literal

from bus.events.base import Event, OwnerId, Payload, PrincipalId, Role, Signal


class PrincipalRegistered(Event):
    """The operator vouches for a principal's keys. A later revision replaces the keys; old ones verify old events."""

    TYPE = "principal.registered"
    BY = frozenset({Role.OPERATOR})
    ID = "principal"
    KEY = ("revision",)

    principal: PrincipalId
    revision: int
    role: Role
    owner: OwnerId
    signing_key: bytes
    """Ed25519 public key, 32 bytes."""
    sealing_key: bytes
    """Public key for HPKE: ML-KEM-768 encapsulation key (1184 bytes) followed by X25519 public key (32 bytes)."""


class Capacity(Payload):
    """What an edge can offer to a worker."""

    cpus: int
    memory_bytes: int
    accelerators: tuple[str, ...] = ()


class EdgeEnrolled(Event):
    """An edge daemon says what it is; again only when something of it changed."""

    TYPE = "edge.enrolled"
    BY = frozenset({Role.EDGE})
    ID = "edge"
    KEY = ("fingerprint",)

    edge: PrincipalId
    fingerprint: str
    """Short digest of all other fields, so that the same facts are said once."""
    release: str
    frameworks: tuple[str, ...]
    capacity: Capacity
    isolation: str
    """How workers are isolated here: ``bubblewrap``, ``namespaces`` or ``none``."""


class EdgeAppeared(Event):
    """The coordinator saw a lease of an edge that it had not counted as live."""

    TYPE = "edge.appeared"
    BY = frozenset({Role.COORDINATOR})
    ID = "edge"
    KEY = ("turn",)

    edge: PrincipalId
    turn: int
    """Counts appearances and lapses of this edge, from 1."""


class EdgeLapsed(Event):
    """An edge's lease ran out: it counts as absent until it appears again."""

    TYPE = "edge.lapsed"
    BY = frozenset({Role.COORDINATOR})
    ID = "edge"
    KEY = ("turn",)

    edge: PrincipalId
    turn: int


class LeaseRenewed(Signal):
    """A process says that it is alive. Kept only as the last one per holder."""

    TYPE = "lease.renewed"
    BY = frozenset({Role.EDGE, Role.COORDINATOR, Role.AGGREGATOR, Role.POLICY_ENGINE, Role.AUDIT_SINK})
    FAMILY: ClassVar[Literal["lease"]] = "lease"

    holder: PrincipalId
    incarnation: str
    """A random id per process start."""
    valid_s: float
    """For how long from its time stamp it counts."""
