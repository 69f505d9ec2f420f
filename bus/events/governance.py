"""Rulings of the operator, decisions of the policy engine, checkpoints of the audit sink."""

from __future__ import annotations

from bus.events.base import Digest, Event, ExperimentId, OwnerId, PrincipalId, Role


class Ruling(Event):
    """The operator changes a rule; ``request`` tells repeated rulings apart."""

    BY = frozenset({Role.OPERATOR})
    KEY = ("request",)

    request: str
    reason: str = ""


class VendorAllowed(Ruling):
    """A vendor may submit experiments."""

    TYPE = "vendor.allowed"
    ID = "vendor"

    vendor: OwnerId


class VendorDisallowed(Ruling):
    """A vendor may not submit experiments any more; those that run go on."""

    TYPE = "vendor.disallowed"
    ID = "vendor"

    vendor: OwnerId


class FederationPaused(Ruling):
    """No cycle opens anywhere until the federation is resumed."""

    TYPE = "federation.paused"
    ID = "federation"

    federation: OwnerId


class FederationResumed(Ruling):
    """Cycles open again."""

    TYPE = "federation.resumed"
    ID = "federation"

    federation: OwnerId


class Hold(Event):
    """A decision of the policy engine about one experiment; ``turn`` counts them."""

    BY = frozenset({Role.POLICY_ENGINE})
    ID = "experiment"
    KEY = ("turn",)

    experiment: ExperimentId
    turn: int
    reasons: tuple[str, ...]
    rules: Digest
    kinds: tuple[str, ...] = ()
    """Of what kind the reasons are that hold it now: ``pause``, ``room``. Older releases knew pauses only, and left it
    empty."""


class ExperimentHeld(Hold):
    """The experiment may not open cycles."""

    TYPE = "experiment.held"


class ExperimentReleased(Hold):
    """The experiment may open cycles again."""

    TYPE = "experiment.released"


class Checkpointed(Event):
    """The audit sink signs the state of its Merkle log."""

    TYPE = "audit.checkpointed"
    BY = frozenset({Role.AUDIT_SINK})
    ID = "log"
    KEY = ("size",)

    log: PrincipalId
    size: int
    """Number of events under the root."""
    root: bytes
    """32 bytes."""
    note: str
    """The signed checkpoint as text (C2SP tlog-checkpoint)."""
