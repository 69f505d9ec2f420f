"""The rule set: what the operator ruled, folded from the log."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgpack

from bus.events import Event
from bus.events.base import DatasetId, Digest, OwnerId, PrincipalId
from bus.events.datasets import DatasetRegistered
from bus.events.governance import FederationPaused, FederationResumed, VendorAllowed, VendorDisallowed


@dataclass(frozen=True)
class Rules:
    """What holds at one position of the log.

    Attributes:
        allowed: Vendors that may submit.
        paused: Reason of the global pause; ``None`` while there is none.
        datasets: What the edges registered; questions are checked against it.
    """

    allowed: frozenset[OwnerId] = frozenset()
    paused: str | None = None
    datasets: Mapping[DatasetId, Mapping[PrincipalId, DatasetRegistered]] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """Of what the operator ruled; cited by every decision. Which strategies there are is the release's matter."""
        content = msgpack.packb([sorted(self.allowed), self.paused])
        return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def evolve(rules: Rules, event: Event) -> Rules:
    """``rules`` after ``event``; the same object if it changes nothing."""
    match event:
        case VendorAllowed(vendor=vendor):
            return replace(rules, allowed=rules.allowed | {vendor})
        case VendorDisallowed(vendor=vendor):
            return replace(rules, allowed=rules.allowed - {vendor})
        case FederationPaused(reason=reason):
            return replace(rules, paused=reason or "no reason given")
        case FederationResumed():
            return replace(rules, paused=None)
        case DatasetRegistered(dataset=dataset, edge=edge):
            holders = {**rules.datasets.get(dataset, {}), edge: event}
            return replace(rules, datasets={**rules.datasets, dataset: holders})
        case _:
            return rules
