"""What a pure decision hands to the service that says it."""

from __future__ import annotations

from dataclasses import dataclass

from bus.events import Event
from bus.events.base import OwnerId


@dataclass(frozen=True)
class Decision:
    """Something to be said.

    Attributes:
        event: What.
        owner: In whose business.
        strand: Sequence of this actor's last words about the same id, 0 if it said nothing yet.
    """

    event: Event
    owner: OwnerId
    strand: int
