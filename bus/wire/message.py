"""Messages as the broker sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes with an address.

    Attributes:
        subject: Dot-separated tokens.
        headers: Names to values; every name once.
        data: The body. Left out of ``repr``, so that no log ever shows one.
    """

    subject: str
    headers: Mapping[str, str]
    data: bytes = field(repr=False)

    def repeats(self, other: Message) -> bool:
        """Whether this says what ``other`` said: same id, same body. Attributes such as the time may differ."""
        return self.headers.get("ce-id") == other.headers.get("ce-id") and self.data == other.data


@dataclass(frozen=True, slots=True)
class Stored:
    """A message with its place in a stream.

    Attributes:
        message: As it was published.
        sequence: Position in the stream, from 1.
        stored_at: When the broker stored it, in UTC.
    """

    message: Message
    sequence: int
    stored_at: datetime
