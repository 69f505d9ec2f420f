"""The envelope: CloudEvents 1.0 attributes in headers around a msgpack body.

Binary mode of the NATS protocol binding: attribute ``x`` is header ``ce-x``; extension attributes are plain
lower-case names. ``traceparent`` (W3C Trace Context) is a header of its own and not signed, since it says
nothing about the message.

The signature (Ed25519, RFC 8032) is over the DSSE pre-authentication encoding of the subject, all attributes
and the body, so nothing of them can be changed or moved to another subject. Here it is only carried; who may
sign what is ``bus.identity``.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgpack
from pydantic import ValidationError

from bus.errors import Invalid
from bus.events import CATALOGUE, Body, Catalogue, Signal
from bus.events.base import MessageId, PrincipalId
from bus.wire.message import Message

CONTENT_TYPE: Final = "application/msgpack"
SIGNED_TYPE: Final = "application/vnd.muster.message.v1"
_NAMESPACE: Final = uuid.UUID("6f1a3f0e-54b1-5d0e-9c39-1f3a4ad0b2d7")
_TYPE_PREFIX: Final = "muster."
_SOURCE_PREFIX: Final = "urn:muster:principal:"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A body with its attributes.

    Attributes:
        id: Derived from the subject for what is said once, random for signals.
        subject: Where it is published.
        actor: Who says it.
        time: When it was said, by the speaker's clock, in UTC.
        body: The payload.
        causation: Id of the message that led to this one.
        correlation: Groups all messages of one piece of business: the experiment's id.
        key_id: Which of the actor's signing keys signed.
        signature: Ed25519, 64 bytes; empty until signed.
        traceparent: W3C Trace Context of the speaker.
        raw: The body's bytes as received; what the signature covers.
        version: Of the body's type in ``raw``; ``body`` itself is always of this release's version.
    """

    id: MessageId
    subject: str
    actor: PrincipalId
    time: datetime
    body: Body
    causation: MessageId | None = None
    correlation: str | None = None
    key_id: str = ""
    signature: bytes = b""
    traceparent: str | None = None
    raw: bytes = field(default=b"", repr=False)
    version: int = 1


def message_id(subject: str) -> MessageId:
    """The id of what is said once on ``subject``: a name-based UUID (RFC 9562, version 5)."""
    return MessageId(str(uuid.uuid5(_NAMESPACE, subject)))


def wrap(
    body: Body,
    *,
    subject: str,
    actor: PrincipalId,
    time: datetime,
    causation: MessageId | None = None,
    correlation: str | None = None,
    traceparent: str | None = None,
) -> Envelope:
    """An unsigned envelope around ``body``."""
    identity = MessageId(str(uuid.uuid4())) if isinstance(body, Signal) else message_id(subject)
    return Envelope(
        id=identity,
        subject=subject,
        actor=actor,
        time=time,
        body=body,
        causation=causation,
        correlation=correlation,
        traceparent=traceparent,
        raw=encode_body(body),
        version=body.VERSION,
    )


def encode_body(body: Body) -> bytes:
    """``body`` as msgpack: a map of its fields, times as msgpack timestamps."""
    packed: bytes = msgpack.packb(body.model_dump(mode="python"), use_bin_type=True, datetime=True)
    return packed


def decode_body(name: str, version: int, data: bytes, catalogue: Catalogue = CATALOGUE) -> Body:
    """The body of type ``name`` in ``data``, brought up to this release's version.

    Raises:
        Invalid: Not msgpack, not a map, unknown type or wrong fields.
        VersionUnknown: Written by a newer release.
    """
    try:
        content: Any = msgpack.unpackb(data, raw=False, timestamp=3)
    except (ValueError, msgpack.UnpackException) as error:
        raise Invalid(f"the body of {name} is not msgpack: {error}", code="envelope.body") from error
    if not isinstance(content, dict):
        raise Invalid(f"the body of {name} is a {type(content).__name__}, expected a map", code="envelope.body")
    content = catalogue.upcast(name, version, content)
    try:
        return catalogue.find(name).model_validate(content)
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)[:5])
        raise Invalid(f"the body of {name} has wrong fields: {fields}", code="envelope.body") from error


def to_message(envelope: Envelope) -> Message:
    """``envelope`` as it goes on the wire."""
    headers = {f"ce-{name}": value for name, value in _attributes(envelope).items()}
    headers["ce-signature"] = base64.b64encode(envelope.signature).decode()
    if envelope.traceparent:
        headers["traceparent"] = envelope.traceparent
    return Message(envelope.subject, headers, envelope.raw)


def from_message(message: Message, catalogue: Catalogue = CATALOGUE) -> Envelope:
    """The envelope that ``message`` carries; its signature is not yet checked.

    Raises:
        Invalid: Attributes are missing or malformed, or the body is not what they say.
        VersionUnknown: Written by a newer release.
    """
    attributes = {k[3:].lower(): v for k, v in message.headers.items() if k.lower().startswith("ce-")}
    name = _take(attributes, "type").removeprefix(_TYPE_PREFIX)
    version = _version(_take(attributes, "schemaversion"))
    _expect(attributes, "specversion", "1.0")
    _expect(attributes, "datacontenttype", CONTENT_TYPE)
    return Envelope(
        id=MessageId(_take(attributes, "id")),
        subject=message.subject,
        actor=PrincipalId(_take(attributes, "source").removeprefix(_SOURCE_PREFIX)),
        time=_time(_take(attributes, "time")),
        body=decode_body(name, version, message.data, catalogue),
        causation=_optional(attributes.get("causationid")),
        correlation=attributes.get("correlationid"),
        key_id=_take(attributes, "keyid"),
        signature=_signature(_take(attributes, "signature")),
        traceparent=_header(message.headers, "traceparent"),
        raw=message.data,
        version=version,
    )


def signing_bytes(message: Message) -> bytes:
    """What the signature of ``message`` covers.

    DSSE v1 pre-authentication encoding (``"DSSEv1" SP len(type) SP type SP len(body) SP body``) of the msgpack
    array [subject, [[attribute, value], ... sorted], body].
    """
    attributes = sorted(
        [k.lower(), v]
        for k, v in message.headers.items()
        if k.lower().startswith("ce-") and k.lower() != "ce-signature"
    )
    content: bytes = msgpack.packb([message.subject, attributes, message.data], use_bin_type=True)
    return b"DSSEv1 %d %b %d %b" % (len(SIGNED_TYPE), SIGNED_TYPE.encode(), len(content), content)


def with_key(envelope: Envelope, key_id: str) -> Envelope:
    """``envelope`` naming the key that will sign it."""
    return replace(envelope, key_id=key_id)


def signed(envelope: Envelope, signature: bytes) -> Envelope:
    """``envelope`` with its signature."""
    return replace(envelope, signature=signature)


def _attributes(envelope: Envelope) -> dict[str, str]:
    body = envelope.body
    attributes = {
        "specversion": "1.0",
        "id": envelope.id,
        "type": f"{_TYPE_PREFIX}{body.TYPE}",
        "source": f"{_SOURCE_PREFIX}{envelope.actor}",
        "time": envelope.time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "datacontenttype": CONTENT_TYPE,
        "schemaversion": str(envelope.version),
        "keyid": envelope.key_id,
    }
    if envelope.causation:
        attributes["causationid"] = envelope.causation
    if envelope.correlation:
        attributes["correlationid"] = envelope.correlation
    return attributes


def _take(attributes: Mapping[str, str], name: str) -> str:
    try:
        return attributes[name]
    except KeyError:
        raise Invalid(f"the CloudEvents attribute ce-{name} is missing", code="envelope.attribute") from None


def _expect(attributes: Mapping[str, str], name: str, value: str) -> None:
    found = _take(attributes, name)
    if found != value:
        raise Invalid(f"ce-{name} is {found[:80]!r}, expected {value!r}", code="envelope.attribute")


def _version(text: str) -> int:
    if not text.isdecimal():
        raise Invalid(f"ce-schemaversion is {text[:80]!r}, expected a number", code="envelope.attribute")
    return int(text)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"ce-time is {text[:80]!r}, expected RFC 3339", code="envelope.attribute") from error
    if time.tzinfo is None:
        raise Invalid(f"ce-time {text!r} has no zone, expected UTC", code="envelope.attribute")
    return time


def _signature(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Invalid("ce-signature is not base64", code="envelope.attribute") from error


def _optional(value: str | None) -> MessageId | None:
    return None if value is None else MessageId(value)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)
