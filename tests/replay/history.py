"""Recorded histories: exports of whole logs, and what is to come of folding them."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bus.errors import MusterError
from bus.events import Role
from bus.identity.directory import Directory, Principal
from bus.wire.message import Message, Stored
from bus.wire.record import Record
from coordinator.domain.world import World as Coordination
from muster.proof.verify import verify_file
from policy_engine.domain.world import World as Policy

FOLDER = Path(__file__).parent / "histories"
SCHEMAS = Path(__file__).parent / "schemas"


@dataclass(frozen=True)
class History:
    """One recorded log.

    Attributes:
        path: Of the export; what is expected of it lies beside it.
        anchor: The operator of the recording.
        messages: All of them, as they were stored.
        records: Those that prove to be what they claim.
        unproven: Sequence -> code, of the others.
    """

    path: Path
    anchor: Principal
    messages: tuple[Stored, ...]
    records: tuple[Record, ...]
    unproven: dict[int, str]

    @property
    def expected(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def release(self) -> str:
        return self.path.parent.name


def recorded() -> list[Path]:
    """All histories of all releases."""
    return sorted(FOLDER.glob("*/*.jsonl"))


def load(path: Path) -> History:
    """The history at ``path``, judged by today's code."""
    head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    anchor = _principal(head["anchor"])
    messages = tuple(_stored(line) for line in lines)
    directory = Directory(anchor)
    records, unproven = [], {}
    for stored in messages:
        try:
            records.append(Record.of(directory.verify(stored.message), stored))
        except MusterError as error:
            unproven[stored.sequence] = error.code
    return History(path, anchor, messages, tuple(records), unproven)


def _principal(anchor: dict[str, str]) -> Principal:
    keys = bytes.fromhex(anchor["signing_key"]), bytes.fromhex(anchor["sealing_key"])
    return Principal(anchor["principal"], Role(anchor["role"]), anchor["owner"], *keys)  # type: ignore[arg-type]


def _stored(line: dict[str, Any]) -> Stored:
    message = Message(line["subject"], line["headers"], base64.b64decode(line["data"]))
    return Stored(message, line["sequence"], datetime.fromisoformat(line["stored_at"]))


def coordination(history: History) -> Coordination:
    """The coordinator's world at the end."""
    world = Coordination()
    for record in history.records:
        world.fold(record)
    return world


def policy(history: History) -> Policy:
    """The policy engine's world at the end."""
    world = Policy()
    for record in history.records:
        world.fold(record)
    return world


def summary(history: History) -> dict[str, Any]:
    """What a history comes to, as JSON: the part that no later release may see differently."""
    found = verify_file(history.path, history.anchor)
    world, rules = coordination(history), policy(history)
    return {
        "messages": len(history.messages),
        "checkpoints": found.checkpoints,
        "covered": found.covered,
        "root": found.root,
        "unproven": {str(sequence): code for sequence, code in history.unproven.items()},
        "types": dict(sorted(Counter(record.body.TYPE for record in history.records).items())),
        "live": [edge for edge, presence in sorted(world.fleet.presences.items()) if presence.live],
        "paused": rules.rules.paused,
        "experiments": {
            experiment.id: {
                "owner": experiment.owner,
                "phase": experiment.phase.value,
                "step": experiment.step,
                "turn": experiment.turn,
                "model": experiment.model.digest if experiment.model else None,
                "models": {str(number): model.digest for number, model in sorted(experiment.models.items())},
                "scores": [score.model_dump(mode="json") for score in experiment.scores],
            }
            for experiment in world.experiments.values()
        },
        "cases": {
            identity: {"answered": case.answered, "held": sorted(case.held), "turn": case.turn}
            for identity, case in rules.cases.items()
        },
    }
