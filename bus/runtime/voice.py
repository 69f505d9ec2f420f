"""Speaking on the bus as one principal: wrapped, signed, traced, and repeated until it was heard."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from opentelemetry.trace import SpanKind

from bus.errors import MusterError, Timeout, Unavailable
from bus.events import Body, Command, Event, Signal
from bus.events.base import FEDERATION, MessageId, OwnerId
from bus.identity.directory import sign
from bus.identity.keys import Identity
from bus.ports import Broker, Guard
from bus.runtime import telemetry
from bus.runtime.clock import Clock, SystemClock
from bus.wire import subjects
from bus.wire.envelope import wrap
from bus.wire.message import Message, Stored
from bus.wire.record import Record
from bus.wire.topology import StreamName

_log = logging.getLogger(__name__)

_RETRY_S: Final = (0.1, 0.2, 0.5, 1.0)
_KEPT_REASON: Final = 500


class Voice:
    """Says things as ``identity``.

    Args:
        broker: Where to.
        identity: Who speaks.
        clock: Gives the time of what is said.
        patience_s: How long to repeat while the broker is away; ``None`` for ever, as services do.
    """

    def __init__(
        self, broker: Broker, identity: Identity, clock: Clock | None = None, *, patience_s: float | None = None
    ) -> None:
        self._broker = broker
        self.identity = identity
        self.clock = clock or SystemClock()
        self._patience_s = patience_s

    async def say(
        self, event: Event, *, owner: OwnerId = FEDERATION, cause: Record | None = None, guard: Guard | None = None
    ) -> int:
        """Append an event; returns its sequence. Saying the same again returns the same.

        Raises:
            Conflict: The guard does not hold, or something else was said on this subject.
            Denied: This principal may not say that.
            Unavailable: The broker stayed away for longer than the patience.
        """
        return await self._speak(StreamName.EVENTS, event, owner, cause, guard)

    async def order(self, command: Command, *, cause: Record | None = None) -> int:
        """Send a command to an edge. Raises as ``say``."""
        return await self._speak(StreamName.COMMANDS, command, FEDERATION, cause, None)

    async def renew(self, signal: Signal) -> None:
        """Renew a lease; not repeated, since the next one follows soon.

        Raises:
            Unavailable: The broker is away.
        """
        await self._broker.log(StreamName.LEASES).append([self._message(signal, FEDERATION, None)])

    async def report(self, signal: Signal, *, owner: OwnerId) -> None:
        """Report progress, which may be lost.

        Raises:
            Unavailable: The broker is away.
        """
        await self._broker.log(StreamName.TELEMETRY).append([self._message(signal, owner, None)])

    async def bury(self, stored: Stored, error: MusterError) -> None:
        """Put a message that cannot be used to the dead letters, with the reason. Never raises: it is a last resort."""
        origin = stored.message
        headers = {f"dead-{name}": value for name, value in origin.headers.items()}
        headers |= {
            "dead-subject": origin.subject,
            "dead-sequence": str(stored.sequence),
            "dead-code": error.code,
            "dead-reason": " ".join(error.message.split())[:_KEPT_REASON],
        }
        subject = subjects.dead_letter(self.identity.principal, error.code, stored.sequence)
        facts = {"subject": origin.subject, "sequence": stored.sequence, "code": error.code}
        _log.warning("message put to the dead letters: %s", error.message, extra=facts)
        try:
            await self._broker.log(StreamName.DEADLETTERS).append([Message(subject, headers, origin.data)])
        except MusterError:
            _log.exception("the dead letter could not be kept", extra=facts)

    async def _speak(
        self, stream: StreamName, body: Body, owner: OwnerId, cause: Record | None, guard: Guard | None
    ) -> int:
        parent = cause.envelope.traceparent if cause else None
        with telemetry.span(f"say {body.TYPE}", kind=SpanKind.PRODUCER, parent=parent):
            message = self._message(body, owner, cause)
            return await self._insist(stream, message, guard)

    async def _insist(self, stream: StreamName, message: Message, guard: Guard | None) -> int:
        loop = asyncio.get_running_loop()
        until = None if self._patience_s is None else loop.time() + self._patience_s
        delays = iter(_RETRY_S)
        while True:
            try:
                return await self._broker.log(stream).append([message], guard=guard)
            except Unavailable as error:
                if until is not None and loop.time() >= until:
                    raise
                level = logging.DEBUG if isinstance(error, Timeout) else logging.WARNING
                _log.log(level, "not heard yet, saying it again: %s", error, extra={"subject": message.subject})
                await asyncio.sleep(next(delays, _RETRY_S[-1]))

    def _message(self, body: Body, owner: OwnerId, cause: Record | None) -> Message:
        subject = subjects.of(body, owner=owner, actor=self.identity.principal)
        experiment = getattr(body, "experiment", None)
        envelope = wrap(
            body,
            subject=subject,
            actor=self.identity.principal,
            time=self.clock.now(),
            causation=MessageId(cause.id) if cause else None,
            correlation=str(experiment) if experiment else None,
            traceparent=telemetry.traceparent(),
        )
        return sign(envelope, self.identity)
