"""All numbered errors, and the way from a code or a number to one of them."""

from __future__ import annotations

from typing import Final

from bus.errors import NotFound
from bus.suggestions import nearest
from muster.errors import (
    audit,
    averaging,
    broker,
    contract,
    cycles,
    data,
    egress,
    encodings,
    federations,
    general,
    identities,
    large,
    messages,
    models,
    plans,
    proofs,
    records,
    sdk,
    sealing,
    sources,
    stores,
    workers,
)
from muster.errors.entry import Area, Entry

AREAS: Final[tuple[Area, ...]] = (
    *(plans.AREA, models.AREA, contract.AREA, data.AREA, workers.AREA, egress.AREA, cycles.AREA),
    *(sources.AREA, records.AREA, stores.AREA),
    *(broker.AREA, messages.AREA, identities.AREA, large.AREA),
    *(sealing.AREA, averaging.AREA, encodings.AREA),
    sdk.AREA,
    *(federations.AREA, audit.AREA, proofs.AREA, general.AREA),
)
ENTRIES: Final[tuple[Entry, ...]] = tuple(entry for area in AREAS for entry in area.entries)
BY_CODE: Final[dict[str, Entry]] = {entry.code: entry for entry in ENTRIES}
BY_LABEL: Final[dict[str, Entry]] = {entry.label: entry for entry in ENTRIES}

_WILD: Final = ".*"
_UNKNOWN: Final = BY_CODE["infra"]


def known(code: str) -> Entry | None:
    """The entry of a code, or of those that begin like it; ``None`` if this release has none."""
    return BY_CODE.get(code) or BY_CODE.get(code.partition(".")[0] + _WILD)


def of_failure(category: str, code: str) -> Entry:
    """The entry of a failure, or that of its category if a newer release said it."""
    return known(code) or BY_CODE.get(category, _UNKNOWN)


def of_error(family: str, code: str) -> Entry:
    """The entry of an error, or that of its family: plug-ins have codes of their own."""
    return known(code) or BY_CODE.get(family) or BY_CODE["error"]


def found(name: str) -> Entry:
    """The entry that somebody asks for, by number or code.

    Raises:
        NotFound: There is none.
    """
    wanted = name.strip()
    label = f"M{wanted.upper().removeprefix('M')}"
    entry = BY_LABEL.get(label) or known(wanted)
    if entry is None:
        raise NotFound(
            f"there is no error {name[:80]!r}; {_near(wanted)}'muster errors' lists all",
            code="errors.missing",
        )
    return entry


def _near(code: str) -> str:
    """All codes are too many to list."""
    near = nearest(code, BY_CODE, any_case=False)
    return f"did you mean {near!r}? " if near else ""
