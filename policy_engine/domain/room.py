"""Is there room for the next cycle? About as many bodies as there are edges, and the outcome, each of the model's size.

What an update really takes shows only when it is there; so does what other experiments do meanwhile. This keeps edges
from training for what cannot be stored, it does not promise that everything fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from bus.events import Body
from bus.events.cycles import (
    CycleAbandoned,
    CycleKind,
    CycleOpened,
    ModelAveraged,
    ModelEvaluated,
    ModelFailed,
    UpdateSealed,
)
from bus.events.experiments import ExperimentSubmitted
from bus.events.weights import JETSTREAM, SealedObject
from bus.ports import Room

CODE: Final = "store.room"
_STEP: Final = (
    "let go of what nobody needs ('muster policy keep models', 'muster purge'), give large models an S3 store, or "
    "raise disk_bytes in federation.json"
)
_MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Need:
    """What one experiment takes of the broker's store.

    Attributes:
        body_bytes: Size of its newest body there; 0 while that is not known, or where bodies lie elsewhere.
        bodies: In one cycle.
        last: Number of its last training cycle.
        missing: Bodies that the cycle that runs will still bring; 0 between cycles.
        more: Whether there is a cycle to come that brings some.
    """

    body_bytes: int
    bodies: int
    last: int
    missing: int = 0
    more: bool = True

    @property
    def next_bytes(self) -> int:
        """Of a whole cycle."""
        return self.body_bytes * self.bodies if self.more else 0

    @property
    def ahead_bytes(self) -> int:
        """Of what the running cycle still brings."""
        return self.body_bytes * self.missing


def need(asked: ExperimentSubmitted) -> Need:
    """That of an experiment that was just submitted: only a fork has a model yet."""
    size = _size(asked.origin.model) if asked.origin is not None else 0
    return Need(size, len(asked.recipients) + 1, asked.cycles)


def evolve(found: Need, body: Body) -> Need:
    """What it needs after ``body``, which is about it."""
    match body:
        case CycleOpened():
            ends = body.cycle.number >= found.last and body.cycle.kind in {CycleKind.TRAIN, CycleKind.EVALUATE}
            trains = body.cycle.kind is CycleKind.TRAIN and body.source is None
            return replace(found, missing=len(body.cohort) + 1 if trains else 0, more=not ends)
        case UpdateSealed(weights=SealedObject() as weights):
            if found.missing:
                return replace(found, missing=max(1, found.missing - 1))
            # The first model shows its size before it is averaged, and so before the first training cycle opens.
            return replace(found, body_bytes=_size(weights))
        case ModelAveraged():
            return replace(found, missing=0, body_bytes=_size(body.model))
        case CycleAbandoned():
            return replace(found, missing=0, more=True)
        case ModelEvaluated() | ModelFailed():
            return replace(found, missing=0)
        case _:
            return found


def never(found: Need, room: Room) -> str | None:
    """Why a cycle of it can never fit; ``None`` if it can."""
    if found.next_bytes <= room.limit_bytes:
        return None
    return (
        f"a cycle takes about {_mib(found.next_bytes)} at the broker ({found.bodies} bodies of "
        f"{_mib(found.body_bytes)}), and its store holds {_mib(room.limit_bytes)} in all ({CODE}): store the "
        "weights in S3, or raise disk_bytes in federation.json"
    )


def crowded(found: Need, others: Iterable[Need], room: Room) -> str | None:
    """Why its next cycle must wait for room; ``None`` if there is enough.

    Args:
        found: Its need.
        others: Those of the experiments that run beside it.
        room: How full the broker's store is.
    """
    if found.next_bytes == 0:
        return None
    expected = room.used_bytes + found.ahead_bytes + sum(other.ahead_bytes for other in others)
    if expected + found.next_bytes <= room.limit_bytes:
        return None
    free = max(0, room.limit_bytes - expected)
    return never(found, room) or (
        f"the next cycle takes about {_mib(found.next_bytes)} at the broker ({found.bodies} bodies of "
        f"{_mib(found.body_bytes)}), and {_mib(free)} of {_mib(room.limit_bytes)} are free ({CODE}): {_STEP}"
    )


def _size(body: SealedObject) -> int:
    return body.size_bytes if body.store == JETSTREAM else 0


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.1f} MiB"
