"""Dead letters: what services could not use, and which of it can be handed out again.

A message is not published again, since its subject is written: it is still where it was. What can be repeated is the
handing out, where there was one: commands to an edge and closed cycles to the aggregator come from durable consumers,
and a consumer can be set back to an earlier place (``$JS.API.CONSUMER.RESET``, server 2.14). It then hands out that
message and all that follow once more. This is sound because handlers may run twice on the same record by contract,
as they do after any lost acknowledgement; and nothing is skipped, since a consumer is never set to a place beyond its
first unsettled message.

Everybody else folds the log. There nothing is handed out, so there is nothing to hand out again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgpack

from bus.errors import Invalid, MusterError, NotFound
from bus.events import Role
from bus.events.cycles import RunCycle
from bus.identity.directory import Directory
from bus.jetstream import api
from bus.jetstream.connection import Connection
from bus.ports import Broker
from bus.wire import subjects, topology
from bus.wire.envelope import Envelope
from bus.wire.message import Message, Stored
from bus.wire.topology import Consumer, StreamName

_PREFIX: Final = "dead-"
_OWN: Final = frozenset({"dead-subject", "dead-sequence", "dead-code", "dead-reason"})


@dataclass(frozen=True)
class Letter:
    """One message that one service could not use.

    Attributes:
        sequence: Of the letter, among the dead letters.
        stored_at: When it was put there.
        service: Who could not use the message.
        code: Why, as an error code.
        reason: Why, in words.
        origin: Sequence of the message in its own stream.
        message: As it was published.
    """

    sequence: int
    stored_at: datetime
    service: str
    code: str
    reason: str
    origin: int
    message: Message

    @classmethod
    def of(cls, stored: Stored) -> Letter:
        """The letter in ``stored``; headers that are missing are empty."""
        headers = stored.message.headers
        _, service, *_ = stored.message.subject.split(".")
        number = headers.get("dead-sequence", "")
        original = {name.removeprefix(_PREFIX): value for name, value in headers.items() if name not in _OWN}
        return cls(
            sequence=stored.sequence,
            stored_at=stored.stored_at,
            service=service,
            code=headers.get("dead-code", ""),
            reason=headers.get("dead-reason", ""),
            origin=int(number) if number.isdecimal() else 0,
            message=Message(headers.get("dead-subject", ""), original, stored.message.data),
        )

    @property
    def causation(self) -> str | None:
        """Id of the message that led to this one, as it claims itself."""
        return self.message.headers.get("ce-causationid")


async def letters(broker: Broker, *, service: str | None = None, code: str | None = None) -> list[Letter]:
    """Dead letters, the newest last.

    Args:
        broker: As a principal that may read them.
        service: Only what this one could not use.
        code: Only what was refused with this error code; with dots, or with underscores as in a subject.

    Raises:
        Invalid: Not the name of a service, or not a code.
    """
    who = "*" if service is None else subjects.token(service, "the service")
    why = "*" if code is None else subjects.token(code.replace(".", "_"), "the code")
    filter_ = f"dead.{who}.{why}.>"
    return [Letter.of(stored) async for stored in broker.log(StreamName.DEADLETTERS).read(filter_)]


async def letter(broker: Broker, sequence: int) -> Letter:
    """One dead letter.

    Raises:
        NotFound: There is none at ``sequence``, or no more.
    """
    found = await _at(broker, StreamName.DEADLETTERS, "dead.>", sequence)
    if found is None:
        raise NotFound(f"no dead letter {sequence}: 'muster deadletters list' shows all", code="deadletter.missing")
    return Letter.of(found)


def payload(data: bytes) -> str:
    """A body for people: decoded if it is msgpack, else in hexadecimal digits."""
    try:
        return str(msgpack.unpackb(data, raw=False, timestamp=3))
    except (ValueError, msgpack.UnpackException):
        return data.hex()


def place(found: Letter, roles: Mapping[str, Role]) -> Consumer:
    """The consumer that handed the message out.

    Args:
        found: The letter.
        roles: Of all principals.

    Raises:
        Invalid: None did: the service read it in the log.
    """
    role, subject = roles.get(found.service), found.message.subject
    for consumer in topology.WORK if role is Role.AGGREGATOR else ():
        if subjects.matches(consumer.filter, subject):
            return consumer
    if role is Role.EDGE and subjects.matches(subjects.commands(found.service), subject):
        return topology.commands_of(found.service)
    raise Invalid(
        f"{found.service} read {subject!r} in the log, nothing handed it out: there is nothing to hand out again. Once "
        f"the reason is gone, stop the federation, remove services/{found.service}/snapshot.json if there is one, and "
        "start it: the log is then read from its beginning",
        code="deadletter.folded",
    )


def usable(found: Letter, original: Stored | None, directory: Directory, now: datetime) -> Envelope:
    """The envelope of the original, if handing it out again may go better than the first time.

    Args:
        found: The letter.
        original: What is at its place in its stream now.
        directory: Whom to believe today.
        now: The time.

    Raises:
        Invalid: It cannot; the message says why, and what to do instead.
    """
    if original is None or original.message.subject != found.message.subject:
        raise Invalid(
            f"message {found.origin} is no longer in its stream: there is nothing to hand out; run the experiment "
            "again, or 'muster fork' it from a cycle that is done",
            code="deadletter.gone",
        )
    try:
        envelope = directory.verify(original.message)
    except MusterError as error:
        raise Invalid(
            f"{found.service} would refuse it again: {error.message}. It can only be said anew, correctly, by whoever "
            "said it",
            code="deadletter.hopeless",
        ) from error
    if isinstance(envelope.body, RunCycle) and envelope.body.deadline <= now:
        raise Invalid(
            f"the cycle's deadline was {envelope.body.deadline:%Y-%m-%d %H:%M:%S} UTC: {found.service} would only say "
            "that it is late. The coordinator has gone on without, or asked again, by itself",
            code="deadletter.late",
        )
    return envelope


async def original(broker: Broker, found: Letter, consumer: Consumer) -> Stored | None:
    """What is at the letter's place in its stream now."""
    return await _at(broker, consumer.stream, consumer.filter, found.origin)


async def hand_out_again(connection: Connection, consumer: Consumer, sequence: int) -> int:
    """Set ``consumer`` back so that it hands out the message at ``sequence`` again; returns how many it will hand out.

    Raises:
        NotFound: There is no such consumer.
        Denied: The principal may not do that.
    """
    info = await api.call(connection, f"CONSUMER.INFO.{consumer.stream}.{consumer.name}")
    # What was handed out and is not settled counts as handed out no more: begin no later than with that.
    first = min(sequence, int(info["ack_floor"]["stream_seq"]) + 1)
    done = await api.call(connection, f"CONSUMER.RESET.{consumer.stream}.{consumer.name}", {"seq": first})
    return int(done["num_pending"])


async def _at(broker: Broker, stream: StreamName, filter_: str, sequence: int) -> Stored | None:
    reading: AsyncIterator[Stored] = broker.log(stream).read(filter_, after=max(0, sequence - 1))
    async for stored in reading:
        return stored if stored.sequence == sequence else None
    return None
