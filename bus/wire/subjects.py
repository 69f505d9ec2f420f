"""The subject space.

::

    ev.<owner>.<entity>.<entity id>.<actor>.<event>[.<key>]     events, each subject written once
    cmd.<edge>.<experiment>.<type>.<key>                        commands, each subject written once
    w.<owner>.<actor>.<experiment>.<object>.c.<index>           sealed chunks, each written once
    w.<owner>.<actor>.<experiment>.<object>.key.<recipient>     wrapped file keys, each written once
    tel.<owner>.<experiment>.<actor>                            progress
    lease.<holder>                                              leases, the last one counts
    dead.<service>.<code>.<sequence>                            messages that a service could not use, each once

``<actor>`` is bound to the publisher's credential by the broker's permissions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bus.errors import Invalid
from bus.events import Body, Command, Event, Signal

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADDRESS_TOKENS: Final = 4


def token(value: str, what: str) -> str:
    """``value`` if it can stand as one token of a subject.

    Raises:
        Invalid: It cannot; the message names ``what`` it was for.
    """
    if not _TOKEN.fullmatch(value):
        raise Invalid(
            f"{what} {value[:80]!r} is not usable: expected 1 to 64 letters, digits, '-' or '_'",
            code="subject.token",
        )
    return value


@dataclass(frozen=True, slots=True)
class EventSubject:
    """The parts of an event's subject."""

    owner: str
    entity: str
    entity_id: str
    actor: str
    event: str
    key: str | None = None

    def __str__(self) -> str:
        tokens = [self.owner, self.entity, self.entity_id, self.actor, self.event]
        if self.key is not None:
            tokens.append(self.key)
        return ".".join(["ev", *(token(value, "subject token") for value in tokens)])

    @classmethod
    def parse(cls, subject: str) -> EventSubject:
        """The parts of ``subject``.

        Raises:
            Invalid: It is not the subject of an event.
        """
        family, *tokens = subject.split(".")
        if family != "ev" or len(tokens) not in {5, 6}:
            raise Invalid(
                f"{subject[:200]!r} is not an event's subject (ev.<owner>.<entity>.<id>.<actor>.<event>[.<key>])",
                code="subject.form",
            )
        return cls(*tokens)


def of(body: Body, *, owner: str, actor: str) -> str:
    """The subject that ``body`` is published on when ``actor`` says it in the business of ``owner``."""
    noun, word = body.TYPE.split(".")
    match body:
        case Event():
            return str(EventSubject(owner, noun, body.entity_id, actor, word, body.key))
        case Command():
            return command(type(body), edge=body.edge, experiment=body.experiment, key=body.key)
        case Signal(FAMILY="lease"):
            return f"lease.{actor}"
        case _:
            experiment = token(str(getattr(body, "experiment", "none")), "experiment")
            return f"tel.{owner}.{experiment}.{actor}"


def command(kind: type[Command], *, edge: str, experiment: str, key: str) -> str:
    """The subject of a command: its id follows from it (``envelope.message_id``)."""
    noun, word = kind.TYPE.split(".")
    return f"cmd.{edge}.{experiment}.{noun}_{word}.{token(key, 'command key')}"


def strand(owner: str, entity_id: str, actor: str) -> str:
    """Filter for all that one actor says about one id: the unit of consistency of an append."""
    return f"ev.{owner}.*.{entity_id}.{actor}.>"


def events(*, owner: str = "*", entity: str = "*", entity_id: str = "*", actor: str = "*") -> str:
    """Filter for all events of some owner, entity kind, entity or actor."""
    return f"ev.{owner}.{entity}.{entity_id}.{actor}.>"


def said(kind: type[Event], *, owner: str = "*", entity_id: str = "*", actor: str = "*") -> str:
    """Filter for the events of one type."""
    noun, word = kind.TYPE.split(".")
    return f"ev.{owner}.{noun}.{entity_id}.{actor}.{word}" + (".*" if kind.KEY else "")


def history(experiment: str) -> str:
    """Filter for everything said about one experiment."""
    return events(entity_id=experiment)


def commands(edge: str) -> str:
    """Filter for the commands to one edge."""
    return f"cmd.{edge}.>"


def chunk(address: str, index: int) -> str:
    """Subject of one sealed chunk of the object at ``address``."""
    return f"{address}.c.{index}"


def wrapped_key(address: str, recipient: str) -> str:
    """Subject of the file key of the object at ``address``, wrapped for ``recipient``."""
    return f"{address}.key.{token(recipient, 'recipient')}"


def weights_address(owner: str, actor: str, experiment: str, name: str) -> str:
    """Address of a sealed object: prefix of its chunks' subjects."""
    tokens = [owner, actor, experiment, name]
    return ".".join(["w", *(token(value, "address token") for value in tokens)])


def address_parts(address: str) -> tuple[str, str, str, str]:
    """Owner, actor, experiment and object of the address of a sealed object.

    Raises:
        Invalid: It is not such an address.
    """
    family, *tokens = address.split(".")
    if family != "w" or len(tokens) != _ADDRESS_TOKENS or not all(map(_TOKEN.fullmatch, tokens)):
        raise Invalid(
            f"{address[:200]!r} is not the address of a sealed object (w.<owner>.<actor>.<experiment>.<object>)",
            code="subject.form",
        )
    owner, actor, experiment, name = tokens
    return owner, actor, experiment, name


def dead_letter(service: str, code: str, sequence: int) -> str:
    """Subject for a message at ``sequence`` that ``service`` could not use."""
    return f"dead.{service}.{code.replace('.', '_')}.{sequence}"


def matches(pattern: str, subject: str) -> bool:
    """Whether ``subject`` is selected by ``pattern`` under NATS rules (``*`` one token, ``>`` the rest)."""
    wanted, tokens = pattern.split("."), subject.split(".")
    for index, want in enumerate(wanted):
        if want == ">":
            return len(tokens) > index
        if index >= len(tokens) or want not in {"*", tokens[index]}:
            return False
    return len(wanted) == len(tokens)
