"""What each principal may do at the broker: least authority, by subject.

The broker binds the actor's token in a subject to the credential that publishes it. What is not listed is
denied. Nobody but the operator may create or delete streams, and nobody can delete events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bus.events import Role
from bus.events.experiments import PRETRAINED
from bus.identity.directory import Principal
from bus.wire import subjects, topology
from bus.wire.topology import Consumer, StreamName


@dataclass(frozen=True)
class Permissions:
    """Subjects that a credential may publish on and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def permissions(principal: Principal) -> Permissions:
    """The permissions of ``principal``."""
    name, role = principal.principal, principal.role
    rules = [*_everybody(name)]
    match role:
        case Role.OPERATOR:
            rules += [*_says(name), "$JS.API.>", "$JS.ACK.>"]
        case Role.COORDINATOR:
            # Whoever writes once has to see what is there already.
            rules += [_gets(StreamName.COMMANDS, "cmd.>")]
            rules += [*_says(name), "cmd.>", f"tel.*.*.{name}", *_reads(name, StreamName.EVENTS, "ev.>")]
            rules += _reads(name, StreamName.LEASES, "lease.>")
        case Role.AGGREGATOR:
            rules += [*_says(name), f"w.*.{name}.>", *_reads(name, StreamName.EVENTS, "ev.>")]
            rules += [_gets(StreamName.WEIGHTS, "w.>"), *_takes(topology.AGGREGATOR)]
            # To remove what was released. The server knows no purge of some subjects only (decision 25).
            rules += [f"$JS.API.STREAM.{what}.{StreamName.WEIGHTS}" for what in ("INFO", "PURGE")]
            rules += _takes(topology.RELEASES)
        case Role.POLICY_ENGINE:
            # How full the store is: no cycle opens that would not fit.
            rules += [
                *_says(name),
                *_reads(name, StreamName.EVENTS, "ev.>"),
                f"$JS.API.STREAM.INFO.{StreamName.WEIGHTS}",
            ]
        case Role.AUDIT_SINK:
            rules += [*_says(name), *_reads(name, StreamName.EVENTS, "ev.>")]
        case Role.EDGE:
            rules += _edge(name)
        case Role.VENDOR:
            rules += _vendor(name, principal.owner)
    return Permissions(tuple(rules), (f"_INBOX_{name}.>",))


def _everybody(name: str) -> Iterator[str]:
    yield f"lease.{name}"
    yield f"dead.{name}.>"
    yield _gets(StreamName.DEADLETTERS, f"dead.{name}.>")
    yield from _reads(name, StreamName.EVENTS, "ev.federation.principal.>")


def _edge(name: str) -> Iterator[str]:
    yield subjects.events(entity="update", actor=name)
    yield subjects.events(owner="federation", entity="edge", entity_id=name, actor=name)
    yield subjects.events(owner="federation", entity="dataset", actor=name)
    yield _gets(StreamName.EVENTS, subjects.events(actor=name))
    yield f"w.*.{name}.>"
    yield f"tel.*.*.{name}"
    yield _gets(StreamName.WEIGHTS, "w.*.aggregator.*.*.c.*")
    yield _gets(StreamName.WEIGHTS, "w.*.*.*.code.c.*")
    yield _gets(StreamName.WEIGHTS, f"w.*.*.*.{PRETRAINED}.c.*")
    yield _gets(StreamName.WEIGHTS, f"w.*.*.*.*.key.{name}")
    yield from _takes(topology.commands_of(name))


def _vendor(name: str, owner: str) -> Iterator[str]:
    yield subjects.events(owner=owner, entity="experiment", actor=name)
    yield f"w.{owner}.{name}.>"
    # What it sealed itself, to have the model file again beside the model.
    yield _gets(StreamName.WEIGHTS, f"w.{owner}.{name}.>")
    yield _gets(StreamName.WEIGHTS, f"w.{owner}.aggregator.*.*.c.*")
    yield _gets(StreamName.WEIGHTS, f"w.{owner}.aggregator.*.*.key.{name}")
    yield from _reads(name, StreamName.EVENTS, f"ev.{owner}.>")
    yield from _reads(name, StreamName.EVENTS, "ev.federation.dataset.>")
    yield from _reads(name, StreamName.EVENTS, "ev.federation.edge.>")
    yield from _reads(name, StreamName.TELEMETRY, f"tel.{owner}.>")


def _says(name: str) -> Iterator[str]:
    yield subjects.events(actor=name)


def _gets(stream: StreamName, filter_: str) -> str:
    return f"$JS.API.DIRECT.GET.{stream}.{filter_}"


def _reads(name: str, stream: StreamName, filter_: str) -> Iterator[str]:
    """Read histories under ``filter_`` with this principal's own temporary consumers."""
    yield _gets(stream, filter_)
    for slot in range(topology.READERS_PER_PRINCIPAL):
        reader = topology.reader(name, slot)
        yield f"$JS.API.CONSUMER.CREATE.{stream}.{reader}.{filter_}"
        yield f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{reader}"
        yield f"$JS.API.CONSUMER.DELETE.{stream}.{reader}"


def _takes(consumer: Consumer) -> Iterator[str]:
    """Take work from a consumer that was made in advance."""
    yield f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.name}"
    yield f"$JS.ACK.{consumer.stream}.{consumer.name}.>"
