"""Listening on the bus: histories that are folded, and work that is taken.

Whatever cannot be used goes to the dead letters with a reason, and listening goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from opentelemetry.trace import SpanKind

from bus.errors import Ack, MusterError, NotFound, Unavailable, treatment
from bus.identity.directory import Directory, Principal
from bus.ports import Broker, Delivery
from bus.runtime import telemetry
from bus.runtime.aio import until
from bus.runtime.voice import Voice
from bus.wire.envelope import Envelope
from bus.wire.message import Stored
from bus.wire.record import Record
from bus.wire.topology import Consumer, StreamName

_log = logging.getLogger(__name__)

Reject = Callable[[Stored, MusterError], Awaitable[None]]
Handler = Callable[[Record], Awaitable[None]]

_REDELIVERY_S: Final = (0.2, 1.0, 5.0, 15.0)
_SURPRISES: Final = 5
PRINCIPALS: Final = "ev.federation.principal.>"


async def verified(
    broker: Broker,
    directory: Directory,
    filter_: str,
    *,
    reject: Reject,
    stream: StreamName = StreamName.EVENTS,
    after: int = 0,
    follow: bool = False,
) -> AsyncIterator[Record]:
    """Messages under ``filter_`` that prove to be what they claim, in order.

    The directory learns as it reads: when ``filter_`` takes in all events, each is judged by the registrations
    before it, so that every reader of the same log comes to the same verdict.

    Args:
        broker: Where from.
        directory: Whom to believe.
        filter_: Subject filter.
        reject: Told of every message that does not hold.
        stream: Which stream.
        after: Sequence to begin after.
        follow: Go on for ever.
    """
    async for stored in broker.log(stream).read(filter_, after=after, follow=follow):
        try:
            envelope = directory.verify(stored.message)
        except MusterError as error:
            await reject(stored, error)
        else:
            yield Record.of(envelope, stored)


async def ignore(stored: Stored, error: MusterError) -> None:
    """Reject quietly: for readers that are not responsible for dead letters."""
    _log.debug("message %s ignored: %s", stored.sequence, error)


async def learn_principals(broker: Broker, anchor: Principal) -> Directory:
    """A directory of everybody that the operator registered so far.

    Raises:
        Unavailable: The broker is away.
    """
    directory = Directory(anchor)
    async for _ in verified(broker, directory, PRINCIPALS, reject=ignore):
        pass
    return directory


class Work:
    """Takes deliveries of one consumer and has them handled, each at least once.

    Args:
        broker: Where from.
        consumer: From which place.
        directory: Whom to believe; brought up to date when an unknown principal speaks.
        voice: For dead letters.
        handler: Must be safe to run twice on the same record. Returning settles the delivery.
    """

    def __init__(
        self, broker: Broker, consumer: Consumer, directory: Directory, voice: Voice, handler: Handler
    ) -> None:
        self._broker = broker
        self._consumer = consumer
        self._directory = directory
        self._voice = voice
        self._handler = handler

    async def run(self, stop: asyncio.Event, *, at_once: int = 1) -> None:
        """Work until ``stop`` is set and what was begun is done.

        Args:
            stop: Ends the intake.
            at_once: How many deliveries are handled at the same time.
        """
        slots = asyncio.Semaphore(at_once)
        deliveries = self._broker.inbox(self._consumer).deliveries()
        async with asyncio.TaskGroup() as group:
            async for delivery in until(stop, deliveries):
                await slots.acquire()
                task = group.create_task(self._settle(delivery))
                task.add_done_callback(lambda _: slots.release())

    async def _settle(self, delivery: Delivery) -> None:
        beat = asyncio.create_task(self._keep(delivery))
        try:
            await self._handle(delivery)
        except Unavailable as error:
            # Without a broker nothing can be settled: the delivery comes again by itself.
            _log.warning("delivery not settled: %s", error)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _handle(self, delivery: Delivery) -> None:
        try:
            record = Record.of(await self._verify(delivery.stored), delivery.stored)
            with telemetry.span(
                f"handle {record.body.TYPE}", kind=SpanKind.CONSUMER, parent=record.envelope.traceparent
            ):
                await self._handler(record)
        except MusterError as error:
            await self._give_back(delivery, error)
        except Exception as error:  # noqa: BLE001 - the consumer loop is the last line before the process
            _log.exception("a handler failed unexpectedly", extra={"subject": delivery.stored.message.subject})
            await self._surprise(delivery, error)
        else:
            await delivery.ack()

    async def _verify(self, stored: Stored) -> Envelope:
        try:
            return self._directory.verify(stored.message)
        except NotFound:
            async for _ in verified(self._broker, self._directory, PRINCIPALS, reject=ignore):
                pass
            return self._directory.verify(stored.message)

    async def _give_back(self, delivery: Delivery, error: MusterError) -> None:
        if treatment(error).ack is Ack.NAK:
            delay = _REDELIVERY_S[min(delivery.attempt, len(_REDELIVERY_S)) - 1]
            _log.warning("delivery given back for %g s: %s", delay, error)
            await delivery.nak(delay)
        else:
            await self._voice.bury(delivery.stored, error)
            await delivery.term(error.code)

    async def _surprise(self, delivery: Delivery, error: Exception) -> None:
        if delivery.attempt < _SURPRISES:
            await delivery.nak(_REDELIVERY_S[min(delivery.attempt, len(_REDELIVERY_S)) - 1])
            return
        wrapped = MusterError(f"failed {_SURPRISES} times with {type(error).__name__}", code="handler.surprise")
        await self._voice.bury(delivery.stored, wrapped)
        await delivery.term(wrapped.code)

    async def _keep(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(self._consumer.ack_wait_s / 3)
            with contextlib.suppress(Unavailable):
                await delivery.in_progress()
