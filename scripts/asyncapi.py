"""Writes docs/reference/asyncapi.yaml, the AsyncAPI 3.0 description of the bus. Run by `make docs`; a test checks it.

Nothing in it is said twice: addresses come from ``bus.wire.subjects``, messages from the catalogue, who receives what
from the permissions, streams and consumers from the topology. It has no NATS binding: the only one there is names a
queue group, and Muster's readers are JetStream consumers, which stand under ``x-jetstream``.

Usage: asyncapi.py [FILE]
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel
from reference import all_docs, values

from bus.errors import Invalid
from bus.events import Body, Command, Event, Role
from bus.events.base import FEDERATION, SERVICES, OwnerId, PrincipalId
from bus.events.catalogue import CATALOGUE
from bus.identity.directory import Principal
from bus.identity.permissions import permissions
from bus.wire import subjects, topology
from bus.wire.envelope import CONTENT_TYPE
from bus.wire.topology import STREAMS, StreamName

ROOT: Final = Path(__file__).parents[1]
NOTE: Final = "# Written by scripts/asyncapi.py from the code; change the code, then run `make docs`.\n"
OPAQUE: Final = "application/octet-stream"
Node = dict[str, Any]

ABOUT: Final = """\
Everything that crosses the bus of a federation: events, commands, signals, sealed weights and dead letters.
Operations say what each role sends, and what the broker's permissions let it receive. docs/reference/bus.md explains
the choices, docs/reference/events.md lists the messages for people.
"""
PARAMETERS: Final = {
    "owner": "The tenant whose business it is: a vendor, or `federation`.",
    "actor": "The principal that speaks; bound to its credential by the broker's permissions.",
    "holder": "The principal that is alive.",
    "code": "Code of the error, with `_` for `.`.",
    "index": "Position of the chunk in the object, from 0.",
    "object": "Name of the sealed object.",
    "recipient": "The principal that can open the key.",
    "sequence": "Position of the original in its stream.",
    "service": "Who could not use the message.",
}
FIELDS: Final = {
    "experiment": "The experiment's id, a ULID.",
    "cycle": "`<number>-<kind>-<attempt>`, e.g. `1-train-1`.",
}


def mark(name: str) -> str:
    """What stands for a parameter while a subject is built: one token."""
    return f"x_{name}_x"


def address(subject: str) -> str:
    """A subject with marks as an address with parameters."""
    return re.sub(r"x_([a-z_]+?)_x", r"{\1}", subject)


def named(role: Role) -> PrincipalId:
    """How a principal of a role is called: services by their role, all others by a parameter."""
    return PrincipalId(role.value if role in SERVICES else mark(role.value))


def speaker(body: type[Body]) -> PrincipalId:
    """The actor's token in the subject of ``body``."""
    if "holder" in body.model_fields:
        return PrincipalId(mark("holder"))
    return named(next(iter(body.BY))) if len(body.BY) == 1 else PrincipalId(mark("actor"))


def subject(body: type[Body]) -> str:
    """The subject of ``body`` with marks for everything that varies."""
    sample = body.model_construct(**{name: mark(name) for name in body.model_fields})
    owner = mark("owner") if "experiment" in body.model_fields else FEDERATION
    return subjects.of(sample, owner=owner, actor=speaker(body))


@dataclass(frozen=True)
class Channel:
    """A channel and its one message.

    Attributes:
        name: Of both.
        subject: With marks.
        about: What it is for.
        senders: Roles that may publish there.
        body: What is said there; ``None`` for sealed bytes and dead letters.
    """

    name: str
    subject: str
    about: str
    senders: tuple[Role, ...]
    body: type[Body] | None = None

    @property
    def stream(self) -> StreamName:
        """Where its messages are kept."""
        return next(s.name for s in STREAMS if any(subjects.matches(f, self.subject) for f in s.subjects))


def channels() -> Iterator[Channel]:
    """All channels, by name."""
    for body in sorted(CATALOGUE, key=lambda body: body.TYPE):
        yield Channel(body.TYPE, subject(body), prose(body), tuple(sorted(body.BY)), body)
    blob = subjects.weights_address(*(mark(name) for name in ("owner", "actor", "experiment", "object")))
    senders = (Role.AGGREGATOR, Role.EDGE, Role.VENDOR)
    yield Channel("weights.chunk", subjects.chunk(blob, mark("index")), "One sealed chunk of an object.", senders)  # type: ignore[arg-type]
    key = subjects.wrapped_key(blob, mark("recipient"))
    yield Channel("weights.key", key, "The file key of an object, wrapped for one recipient.", senders)
    dead = subjects.dead_letter(mark("service"), mark("code"), mark("sequence"))  # type: ignore[arg-type]
    about = "A message that could not be used: its headers with `dead-` before their names, the reason, its body."
    yield Channel("dead.letter", dead, about, (*SERVICES, Role.EDGE))


def prose(thing: type) -> str:
    """A docstring on one line."""
    return " ".join((thing.__doc__ or "").split())


def receives(role: Role, channel: Channel) -> bool:
    """Whether the permissions of ``role`` let it read or take what comes on ``channel``."""
    owner = OwnerId(mark("owner")) if role is Role.VENDOR else FEDERATION
    rules = permissions(Principal(named(role), role, owner, b"", b"")).publish
    return any(subjects.matches(f, channel.subject) for f in _filters(rules, channel.stream))


def _filters(rules: Iterable[str], stream: StreamName) -> Iterator[str]:
    """What ``rules`` let a principal receive from ``stream``."""
    consumers = {c.name: c.filter for c in (*topology.WORK, topology.commands_of(named(Role.EDGE)))}
    for rule in rules:
        tokens = rule.split(".")
        match tokens:
            case ["$JS", "API", ">"]:
                yield ">"
            case ["$JS", "API", "CONSUMER", "CREATE", name, _, *filter_] if name == stream:
                yield ".".join(filter_)
            # Weights are fetched by subject; from other streams that only tells whether something was said before.
            case ["$JS", "API", "DIRECT", "GET", StreamName.WEIGHTS, *filter_] if stream is StreamName.WEIGHTS:
                yield ".".join(filter_)
            case ["$JS", "ACK", name, consumer, ">"] if name == stream:
                yield consumers[consumer]


def channel_node(channel: Channel) -> Node:
    """A channel object."""
    where = address(channel.subject)
    node: Node = {"address": where, "summary": channel.about}
    names = dict.fromkeys(re.findall(r"{(\w+)}", where))
    if names:
        node["parameters"] = {name: {"description": meaning(channel, name)} for name in names}
    node["messages"] = {channel.name: {"$ref": f"#/components/messages/{channel.name}"}}
    stream = topology.stream(channel.stream)
    node["x-jetstream"] = {
        "stream": stream.name.value,
        "written": "once" if stream.write_once else "again; the last counts" if stream.last_only else "again",
    } | ({} if stream.max_age_s is None else {"kept_s": stream.max_age_s})
    return node


def meaning(channel: Channel, name: str) -> str:
    """What a parameter of an address stands for."""
    if channel.body is not None and name in channel.body.model_fields:
        return all_docs(channel.body).get(name) or FIELDS.get(name, f"Field `{name}` of the body.")
    if name in {role.value for role in Role}:
        return f"Name of the principal that speaks, of role {name}."
    return (PARAMETERS | FIELDS)[name]


def message_node(channel: Channel) -> Node:
    """A message object."""
    if channel.body is None:
        return {
            "name": channel.name,
            "summary": channel.about,
            "contentType": OPAQUE,
            "payload": {"type": "string", "format": "binary"},
        }
    body = channel.body
    node: Node = {
        "name": f"muster.{body.TYPE}",
        "title": body.__name__,
        "summary": channel.about,
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "allOf": [{"$ref": "#/components/schemas/Envelope"}],
            "properties": {
                "ce-type": {"type": "string", "const": f"muster.{body.TYPE}"},
                "ce-schemaversion": {"type": "string", "const": str(body.VERSION)},
            },
        },
    }
    if "experiment" in body.model_fields:
        node["correlationId"] = {"$ref": "#/components/correlationIds/experiment"}
    node["payload"] = {"$ref": f"#/components/schemas/{body.__name__}"}
    kind = "event" if issubclass(body, Event) else "command" if issubclass(body, Command) else "signal"
    node["tags"] = [{"name": kind}]
    return node


def operation_nodes(channel: Channel) -> Iterator[tuple[str, Node]]:
    """The operations on a channel: who sends, who may receive."""
    readers = [role for role in Role if receives(role, channel)]
    for action, roles in (("send", channel.senders), ("receive", tuple(sorted(readers)))):
        for role in roles:
            node: Node = {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel.name}"},
                "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
                "tags": [{"name": role.value}],
            }
            for consumer in work(role) if action == "receive" else ():
                if not subjects.matches(consumer.filter, channel.subject):
                    continue
                node["x-jetstream"] = {"consumer": address(consumer.name), "ack_wait_s": consumer.ack_wait_s}
            yield f"{role}.{action}.{channel.name}", node


def work(role: Role) -> tuple[topology.Consumer, ...]:
    """The durable consumers from which a role takes work."""
    edge = topology.commands_of(named(Role.EDGE))
    return {Role.AGGREGATOR: topology.WORK, Role.EDGE: (edge,)}.get(role, ())


def text(description: str, **more: str) -> Node:
    """The schema of a header."""
    return {"type": "string", "description": description, **more}


ENVELOPE: Final[Node] = {
    "type": "object",
    "description": "CloudEvents 1.0 attributes in NATS headers (binary mode). All but `traceparent` are signed.",
    "required": [
        f"ce-{name}"
        for name in (
            *("specversion", "id", "type", "source", "time", "datacontenttype", "schemaversion"),
            *("keyid", "signature"),
        )
    ],
    "properties": {
        "ce-specversion": text("Of CloudEvents.", const="1.0"),
        "ce-id": text("Version 5 UUID of the subject; random for a signal.", format="uuid"),
        "ce-type": text("`muster.` and the type of the body."),
        "ce-source": text("The actor.", pattern="^urn:muster:principal:[A-Za-z0-9_-]{1,64}$"),
        "ce-time": text("When it was said, by the speaker's clock, in UTC.", format="date-time"),
        "ce-datacontenttype": text("Of the body.", const=CONTENT_TYPE),
        "ce-schemaversion": text("Version of the body's type.", pattern="^[0-9]+$"),
        "ce-causationid": text("Id of the message that led to this one.", format="uuid"),
        "ce-correlationid": text("The experiment."),
        "ce-keyid": text("Which of the actor's signing keys signed."),
        "ce-signature": text(
            "Ed25519 (RFC 8032) over the DSSE pre-authentication encoding of subject, attributes and body, in base64."
        ),
        "traceparent": text("W3C Trace Context of the speaker."),
    },
}


def schema_nodes() -> Iterator[tuple[str, Node]]:
    """Schemas of the envelope, of all bodies, and of the values inside them."""
    yield "Envelope", ENVELOPE
    found: dict[str, Node] = {}
    for body in CATALOGUE:
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, node in {**schema.pop("$defs", {}), body.__name__: schema}.items():
            if found.setdefault(name, node) != node:
                raise Invalid(f"two models are called {name}: rename one", code="catalogue.duplicate")
    documented = {model.__name__: model for model in (*CATALOGUE, *values())}
    for name in sorted(found):
        yield name, travelling(described(found[name], documented.get(name)))


def described(schema: Node, model: type[BaseModel] | None) -> Node:
    """``schema`` with what the source says about each field."""
    schema = dict(schema)
    schema["description"] = " ".join(schema.get("description", "").split())
    if model is not None:
        docs = all_docs(model)
        schema["properties"] = {
            name: node | ({"description": docs[name]} if name in docs else {})
            for name, node in schema["properties"].items()
        }
    return schema


def travelling(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """``node`` without the titles that repeat a field's name, and with msgpack's own types where JSON has none."""
    if isinstance(node, list):
        return [travelling(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: {name: travelling(each) for name, each in value.items()} if key == "properties" else travelling(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
    own = {"binary": "bin", "date-time": "timestamp"}.get(str(kept.get("format")))
    return kept | ({"x-msgpack": own} if own else {})


def document() -> Node:
    """The whole description."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    everything = list(channels())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Muster",
            "version": project["version"],
            "description": " ".join(ABOUT.split()),
            "license": {"name": project["license"]},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "federation": {
                "host": "{host}:{port}",
                "protocol": "nats",
                "description": "NATS with JetStream. Each principal has its own credential, an NKey.",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "4222"}},
            }
        },
        "channels": {channel.name: channel_node(channel) for channel in everything},
        "operations": dict(pair for channel in everything for pair in operation_nodes(channel)),
        "components": {
            "messages": {channel.name: message_node(channel) for channel in everything},
            "schemas": dict(schema_nodes()),
            "correlationIds": {
                "experiment": {"location": "$message.header#/ce-correlationid", "description": "The experiment."}
            },
        },
    }


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def main(path: Path) -> None:
    """Write the file."""
    written = yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(NOTE + written, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference" / "asyncapi.yaml")
