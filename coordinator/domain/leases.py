"""Who counts as live.

An edge has lapsed when it stayed silent while the coordinator's own lease was renewed several times. Counting
the coordinator's renewals instead of seconds makes an outage of the broker, or of the coordinator, silence
nobody: while it lasts, nothing is counted.
"""

from __future__ import annotations

import math

from bus.events.base import PrincipalId
from bus.events.principals import EdgeAppeared, EdgeLapsed
from coordinator.domain.state import Fleet

RENEWALS_PER_LEASE = 3
"""A lease is renewed this often before it would run out."""


class Watch:
    """Counts, per edge, the coordinator's own renewals since the edge's last sign of life.

    Args:
        own_lease_s: The coordinator's own lease time.
    """

    def __init__(self, own_lease_s: float) -> None:
        self._beat_s = own_lease_s / RENEWALS_PER_LEASE
        self._silence: dict[PrincipalId, int] = {}
        self._allowed: dict[PrincipalId, int] = {}

    def heard(self, edge: PrincipalId, valid_s: float, fleet: Fleet) -> EdgeAppeared | None:
        """An edge renewed a lease that is valid for ``valid_s``; returns what is to be noted about that."""
        self._silence[edge] = 0
        self._allowed[edge] = math.ceil(valid_s / self._beat_s) + 1
        presence = fleet.presence(edge)
        return None if presence.live else EdgeAppeared(edge=edge, turn=presence.turn + 1)

    def beat(self, fleet: Fleet) -> list[EdgeLapsed]:
        """The coordinator's own lease was renewed; returns whose silence is to be noted."""
        lapsed = []
        for edge, presence in sorted(fleet.presences.items()):
            if not presence.live:
                continue
            self._silence[edge] = self._silence.get(edge, 0) + 1
            if self._silence[edge] > self._allowed.get(edge, RENEWALS_PER_LEASE + 1):
                lapsed.append(EdgeLapsed(edge=edge, turn=presence.turn + 1))
        return lapsed
