"""What was said, proved, with its place in the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bus.events import Body
from bus.events.base import MessageId, OwnerId, PrincipalId
from bus.wire.envelope import Envelope
from bus.wire.message import Stored


@dataclass(frozen=True, slots=True)
class Record:
    """A verified envelope at a position of its stream.

    Attributes:
        envelope: Verified: said by its actor.
        sequence: Position in the stream, from 1.
        stored_at: When the broker stored it, UTC. The speaker's own time is ``envelope.time``.
    """

    envelope: Envelope
    sequence: int
    stored_at: datetime

    @classmethod
    def of(cls, envelope: Envelope, stored: Stored) -> Record:
        """``envelope``, which was in ``stored``."""
        return cls(envelope, stored.sequence, stored.stored_at)

    @property
    def body(self) -> Body:
        """What was said."""
        return self.envelope.body

    @property
    def id(self) -> MessageId:
        """Id of the message."""
        return self.envelope.id

    @property
    def actor(self) -> PrincipalId:
        """Who said it."""
        return self.envelope.actor

    @property
    def owner(self) -> OwnerId:
        """Whose business it is; meaningful for events."""
        return OwnerId(self.envelope.subject.split(".")[1])
