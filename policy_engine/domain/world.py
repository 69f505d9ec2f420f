"""Everything that the policy engine knows: the rules, and how every experiment stands under them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Final

from pydantic import TypeAdapter

from bus.events import Event
from bus.events.base import OwnerId
from bus.events.datasets import DatasetRegistered
from bus.events.experiments import (
    ExperimentAborted,
    ExperimentAdmitted,
    ExperimentCompleted,
    ExperimentFailed,
    ExperimentRefused,
    ExperimentSubmitted,
)
from bus.events.governance import ExperimentHeld, ExperimentReleased, Hold
from bus.ports import Room
from bus.wire.decision import Decision
from bus.wire.record import Record
from policy_engine.domain import room
from policy_engine.domain.admission import admit
from policy_engine.domain.room import Need
from policy_engine.domain.rules import Rules, evolve

ACTOR: Final = "policy_engine"
PAUSE: Final = "pause"
ROOM: Final = "room"
_OVER: Final = {PAUSE: "the federation is no longer paused", ROOM: "there is room for the next cycle"}
_ENDS: Final = (ExperimentRefused, ExperimentAborted, ExperimentFailed, ExperimentCompleted)


@dataclass(frozen=True)
class Case:
    """One experiment before the policy engine.

    Attributes:
        owner: Whose it is.
        asked: What was submitted.
        rules: What held when it was submitted: an answer does not depend on when it is given. Forgotten once it is.
        answered: Whether it was admitted or refused.
        held: Kinds of the reasons why it may not open cycles now.
        need: What it takes of the broker's store.
        turn: Counts holds and releases.
        strand: Sequence of the policy engine's last words about it.
    """

    owner: OwnerId
    asked: ExperimentSubmitted
    rules: Rules
    answered: bool = False
    held: frozenset[str] = frozenset()
    need: Need = field(default_factory=lambda: Need(0, 0, 0))
    turn: int = 0
    strand: int = 0


@dataclass(frozen=True)
class _Content:
    """What a snapshot of a world holds."""

    position: int
    rules: Rules
    cases: dict[str, Case]
    over: set[str]


_CONTENT: Final = TypeAdapter(_Content)


class World:
    """Rules and open cases, folded up to ``position`` of the event stream; of what is over it keeps the ids."""

    FORM: ClassVar[str] = "policy_engine 4"

    def __init__(self) -> None:
        self.rules = Rules()
        self.cases: dict[str, Case] = {}
        self._over: set[str] = set()
        self.position = 0
        self.room: Room | None = None
        """How full the broker's store is, as it was asked last. Not part of the log, nor of a snapshot."""

    def fold(self, record: Record) -> Iterable[str]:
        """Take in ``record``; returns the experiments about which there may be something to decide."""
        self.position = record.sequence
        body = record.body
        if not isinstance(body, Event) or (isinstance(body, DatasetRegistered) and body.edge != record.actor):
            return []
        rules = evolve(self.rules, body)
        if rules is not self.rules:
            self.rules = rules
            return self.open()
        identity: str | None = getattr(body, "experiment", None)
        if identity is None or identity in self._over:
            return []
        if isinstance(body, ExperimentSubmitted):
            self.cases.setdefault(identity, Case(record.owner, body, self.rules, need=room.need(body)))
        case = self.cases.get(identity)
        if case is None or case.owner != record.owner:
            return []
        if isinstance(body, _ENDS):
            del self.cases[identity]
            self._over.add(identity)
            return []
        self.cases[identity] = _evolve(case, record)
        return [identity]

    def dump(self) -> bytes:
        """Everything that it knows, as JSON."""
        return _CONTENT.dump_json(_Content(self.position, self.rules, self.cases, self._over))

    def restore(self, content: bytes) -> None:
        """Know what was dumped.

        Raises:
            ValueError: It cannot be read.
        """
        found = _CONTENT.validate_json(content)
        self.position, self.rules, self.cases, self._over = found.position, found.rules, found.cases, found.over

    def open(self) -> list[str]:
        """Experiments that are not over."""
        return list(self.cases)

    def decide(self, entity_id: str, now: datetime) -> Decision | None:
        """Admit or refuse what was submitted; hold or release what runs."""
        case = self.cases.get(entity_id)
        if case is None:
            return None
        if not case.answered:
            never = None if self.room is None else room.never(case.need, self.room)
            event: Event | None = admit(case.rules, case.owner, case.asked, *([never] if never else []))
        else:
            event = self._held(case)
        return None if event is None else Decision(event, case.owner, case.strand)

    def _held(self, case: Case) -> ExperimentHeld | ExperimentReleased | None:
        """What changes about a hold, if anything."""
        reasons = self._reasons(case)
        if reasons.keys() == case.held:
            return None
        about = {"experiment": case.asked.experiment, "turn": case.turn + 1, "rules": self.rules.digest}
        if reasons:
            return ExperimentHeld(**about, reasons=tuple(reasons.values()), kinds=tuple(reasons))
        over = tuple(_OVER[kind] for kind in sorted(case.held) if kind in _OVER)
        return ExperimentReleased(**about, reasons=over)

    def _reasons(self, case: Case) -> dict[str, str]:
        """Kind -> why it may open no cycle."""
        found = {}
        if self.rules.paused is not None:
            found[PAUSE] = f"the federation is paused: {self.rules.paused}"
        if self.room is None:
            crowded = (
                "there was no room for its next cycle when the store was last asked" if ROOM in case.held else None
            )
        else:
            others = [other.need for other in self.cases.values() if other is not case]
            crowded = room.crowded(case.need, others, self.room)
        if crowded is not None:
            found[ROOM] = crowded
        return found


def _evolve(case: Case, record: Record) -> Case:
    body = record.body
    if isinstance(body, ExperimentAdmitted):
        case = replace(case, answered=True, rules=Rules())
    elif isinstance(body, Hold):
        # Releases that knew only pauses did not say so.
        kinds = frozenset(body.kinds or (PAUSE,)) if isinstance(body, ExperimentHeld) else frozenset[str]()
        case = replace(case, held=kinds, turn=body.turn)
    else:
        case = replace(case, need=room.evolve(case.need, body))
    return replace(case, strand=record.sequence) if record.actor == ACTOR else case
