"""Errors that cross the walls between parts, grouped by what the receiver can do about them.

::

    MusterError
      Invalid            the message or the argument is wrong: never retry, dead-letter it
        VersionUnknown     written by a newer release than this one
      NotFound           the thing named does not exist (here, or yet)
      Conflict           somebody else wrote first: reload, decide again
      Unavailable        the other side is away: retry later
        Timeout            no answer in time; the effect may have happened
      Integrity          a digest, seal or signature does not hold: stop and alert
      Denied             this principal may not do that
      WorkerFailed       the vendor's code failed; the reason is in ``details``
      Configuration      a setting or an installation is wrong: fix it and start again

One table, ``TREATMENT``, says what each family means to a consumer, to a shell and to a metric. A message
names what was wrong, what was expected and what to do. Adapters translate a library's errors once, ``from``
the cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final


class MusterError(Exception):
    """Root of all errors that Muster raises on purpose.

    Args:
        message: What was wrong, what was expected, what to do; one or two sentences.
        code: Stable identifier of the exact condition, e.g. ``envelope.signature``; the family's name if left out.
            Each has a number and a page: ``docs/reference/errors.md``.
        details: Facts for logs and for ``error`` objects in JSON output. Never payloads, rows or keys.
    """

    family: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str | None = None, **details: str | float | None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.family
        self.details = details


class Invalid(MusterError):
    """The input is wrong and will stay wrong."""

    family = "invalid"


class VersionUnknown(Invalid):
    """Written in a schema version that this release does not know."""

    family = "version_unknown"


class NotFound(MusterError):
    """The thing named does not exist."""

    family = "not_found"


class Conflict(MusterError):
    """Somebody else wrote first: reload and decide again."""

    family = "conflict"
    retryable = True


class Unavailable(MusterError):
    """The other side cannot be reached at present."""

    family = "unavailable"
    retryable = True


class Timeout(Unavailable):
    """No answer in time; whether the effect happened is unknown."""

    family = "timeout"


class Integrity(MusterError):
    """A digest, seal or signature does not hold."""

    family = "integrity"


class Denied(MusterError):
    """The principal may not do what it asked for."""

    family = "denied"


class WorkerFailed(MusterError):
    """The isolated worker failed; ``details`` holds its category and code."""

    family = "worker_failed"


class Configuration(MusterError):
    """A setting or the installation is wrong."""

    family = "configuration"


class Ack(StrEnum):
    """What a consumer tells the broker about a message whose handling raised."""

    NAK = "nak"
    """Deliver it again after a delay."""
    TERM = "term"
    """Never deliver it again; it goes to the dead letters."""


@dataclass(frozen=True)
class Treatment:
    """What an error family means outside the code that raised it.

    Attributes:
        ack: How the consumer loop settles the message.
        exit_code: Exit status of a command line that ends with it.
    """

    ack: Ack
    exit_code: int


TREATMENT: Final[dict[type[MusterError], Treatment]] = {
    Timeout: Treatment(Ack.NAK, 8),
    Unavailable: Treatment(Ack.NAK, 8),
    Conflict: Treatment(Ack.NAK, 5),
    Invalid: Treatment(Ack.TERM, 2),
    NotFound: Treatment(Ack.TERM, 4),
    Integrity: Treatment(Ack.TERM, 6),
    Denied: Treatment(Ack.TERM, 7),
    WorkerFailed: Treatment(Ack.TERM, 9),
    Configuration: Treatment(Ack.TERM, 3),
    MusterError: Treatment(Ack.TERM, 1),
}
"""Family -> treatment; looked up along the class hierarchy, so subclasses inherit."""


def treatment(error: MusterError) -> Treatment:
    """The treatment of ``error``: that of its nearest family in the table."""
    for cls in type(error).__mro__:
        if cls in TREATMENT:
            return TREATMENT[cls]
    return TREATMENT[MusterError]
