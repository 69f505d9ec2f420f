"""What time it is at the server, as its answers say: the one clock that all of a federation agree on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class ServerClock:
    """Goes on from the last answer that told the time, whatever is done to this machine's own clock."""

    def __init__(self) -> None:
        self._told: datetime | None = None
        self._at = 0.0

    def note(self, told: str | None) -> None:
        """Take notice of the time in an answer.

        Args:
            told: RFC 3339, with up to nanoseconds; what cannot be read is passed over.
        """
        try:
            self._told, self._at = datetime.fromisoformat(told or ""), _passed()
        except ValueError:
            return

    def now(self) -> datetime:
        """The time in UTC; that of this machine until the server has told its own."""
        if self._told is None:
            return datetime.now(UTC)
        return self._told + timedelta(seconds=_passed() - self._at)


def _passed() -> float:
    """Seconds since the machine was started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
