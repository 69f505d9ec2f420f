"""What events, commands and signals have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Final, Literal, NewType

from pydantic import BaseModel, ConfigDict

ExperimentId = NewType("ExperimentId", str)
"""A ULID: 26 characters of Crockford base 32, in order of creation."""
PrincipalId = NewType("PrincipalId", str)
"""Anyone with a key: a service, an edge, a vendor or the operator. One token of a subject."""
DatasetId = NewType("DatasetId", str)
"""The name under which several edges hold pieces of the same kind of data."""
OwnerId = NewType("OwnerId", str)
"""The tenant whose business a message is: a vendor, or ``federation``."""
MessageId = NewType("MessageId", str)
"""A UUID, derived from the subject for everything that is said once."""
Digest = NewType("Digest", str)
"""``sha256:`` and 64 hexadecimal digits."""

FEDERATION: Final = OwnerId("federation")
"""Owner of everything that belongs to no single vendor."""


class Role(StrEnum):
    """What a principal is, and so what it may say."""

    OPERATOR = "operator"
    """Anchor of trust: registers principals and rules over policy."""
    COORDINATOR = "coordinator"
    AGGREGATOR = "aggregator"
    POLICY_ENGINE = "policy_engine"
    AUDIT_SINK = "audit_sink"
    EDGE = "edge"
    VENDOR = "vendor"


SERVICES: Final = (Role.COORDINATOR, Role.AGGREGATOR, Role.POLICY_ENGINE, Role.AUDIT_SINK)
"""Roles of which a federation has exactly one principal, named after the role."""


class Payload(BaseModel):
    """A frozen value inside a message. Unknown fields are ignored: a newer release may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Body(Payload):
    """A body that travels alone: it has a type, a version and a place in the subject space."""

    TYPE: ClassVar[str]
    """``<noun>.<word>``; the noun is the entity's kind."""
    VERSION: ClassVar[int] = 1
    """Of the meaning, not of the field list."""
    BY: ClassVar[frozenset[Role]]
    """Roles that may say it; everybody else's is refused by every consumer."""


class Event(Body):
    """A fact. Its subject is written once, so it can be said only once.

    ``ID`` names the field whose value is the entity's id, ``KEY`` the fields that tell events of the same type
    and entity apart; the event of an entity without a key happens at most once.
    """

    FAMILY: ClassVar[Literal["ev"]] = "ev"
    ID: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]] = ()

    @property
    def entity_id(self) -> str:
        """The entity's id, one token of the subject."""
        return str(getattr(self, self.ID))

    @property
    def key(self) -> str | None:
        """Last token of the subject; ``None`` for an event that happens at most once."""
        return "-".join(str(getattr(self, name)) for name in self.KEY) or None


class Command(Body):
    """An order to one edge, said once."""

    FAMILY: ClassVar[Literal["cmd"]] = "cmd"
    KEY: ClassVar[tuple[str, ...]]

    edge: PrincipalId
    experiment: ExperimentId

    @property
    def key(self) -> str:
        """What tells commands of one type to one edge in one experiment apart."""
        return "-".join(str(getattr(self, name)) for name in self.KEY)


class Signal(Body):
    """Something that may be lost: the next one says more. ``FAMILY`` is the first token of its subject."""

    FAMILY: ClassVar[Literal["lease", "tel"]]
