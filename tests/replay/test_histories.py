"""Every history that a release recorded is still understood, judged and continued as it was then."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bus.errors import Integrity, MusterError
from bus.events import Event
from bus.events.principals import EdgeAppeared, EdgeLapsed
from bus.identity.directory import Directory
from bus.runtime.deciding import World
from bus.wire.decision import Decision
from bus.wire.record import Record
from coordinator.domain.world import World as Coordination
from muster.proof.verify import verify_file
from policy_engine.domain.world import World as Policy
from replay.history import FOLDER, SCHEMAS, History, coordination, load, policy, recorded, summary

HISTORIES = recorded()
WORLDS: dict[str, Callable[[], World]] = {"coordinator": Coordination, "policy_engine": Policy}
TIMED = ("deadline",)
"""Fields that hold when something was decided: a replay decides at another moment."""


def name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@cache
def history(path: Path) -> History:
    return load(path)


each_history = pytest.mark.parametrize("path", HISTORIES, ids=name)


def test_every_release_recorded_histories_and_schemas() -> None:
    folders = {folder.name for folder in FOLDER.iterdir()}
    assert folders
    assert folders == {book.stem for book in SCHEMAS.glob("*.json")}
    for folder in folders:
        assert {p.stem for p in (FOLDER / folder).glob("*.jsonl")} == {p.stem for p in (FOLDER / folder).glob("*.json")}


@pytest.mark.parametrize("release", sorted(folder.name for folder in FOLDER.iterdir()))
def test_a_release_recorded_every_event_that_it_knows(release: str) -> None:
    said = {record.body.TYPE for path in HISTORIES if path.parent.name == release for record in history(path).records}
    known = json.loads((SCHEMAS / f"{release}.json").read_text())
    # Commands and signals are not on the log.
    others = {"cycle.run", "experiment.cancel", "lease.renewed", "progress.reported", "queue.reported"}
    assert said == known.keys() - others


@each_history
def test_it_comes_to_what_it_came_to_then(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    assert expected.pop("about")
    assert summary(history(path)) == expected


@each_history
def test_every_message_proves_what_it_did(path: Path) -> None:
    found = history(path)
    expected = json.loads(found.expected.read_text())
    assert {str(sequence): code for sequence, code in found.unproven.items()} == expected["unproven"]
    verified = verify_file(path)
    assert {str(each.sequence): each.code for each in verified.unproven} == expected["unproven"]
    assert verified.events == len(found.messages)
    assert verified.newer == 0


@each_history
def test_nothing_more_is_to_be_said_at_its_end(path: Path) -> None:
    found = history(path)
    now = found.messages[-1].stored_at
    for world in (coordination(found), policy(found)):
        for entity_id in world.open():
            assert world.decide(entity_id, now) is None


@each_history
def test_a_snapshot_anywhere_changes_nothing(path: Path) -> None:
    for make in WORLDS.values():
        whole, resumed = make(), make()
        for record in history(path).records:
            whole.fold(record)
            content, resumed = resumed.dump(), make()
            if record.sequence > 1:
                resumed.restore(content)
            resumed.fold(record)
        assert resumed.dump() == whole.dump()


@each_history
@pytest.mark.parametrize("actor", WORLDS)
def test_deciders_say_again_what_they_said(path: Path, actor: str) -> None:
    assert contradictions(history(path).records, actor, WORLDS[actor]()) == []


def contradictions(records: tuple[Record, ...], actor: str, world: World) -> list[str]:
    """Where ``actor`` said something else than ``world`` calls for, or at another moment.

    A decider folds every record in order and says the first thing that is called for since its own last words about an
    id, naming the record that called for it. What the time called for has no such cause.
    """
    due: dict[str, tuple[Decision, Record]] = {}
    found = []
    for record in records:
        body = record.body
        # Leases are not on the log, so whether an edge appeared cannot be decided from it.
        if record.actor == actor and isinstance(body, Event) and not isinstance(body, EdgeAppeared | EdgeLapsed):
            found += contradiction(record, body, due.pop(body.entity_id, None), world)
        for entity_id in world.fold(record):
            if entity_id not in due and (decision := world.decide(entity_id, record.stored_at)) is not None:
                due[entity_id] = decision, record
    return found + [f"never said: {decision.event.TYPE}" for decision, _ in due.values()]


def contradiction(said: Record, body: Event, due: tuple[Decision, Record] | None, world: World) -> list[str]:
    decision = due[0] if due else world.decide(body.entity_id, said.envelope.time)
    if decision is None:
        return [f"{said.sequence}: said {body.TYPE}, nothing is called for"]
    if (facts(decision.event), decision.owner) != (facts(body), said.owner):
        return [f"{said.sequence}: said {facts(body)}, called for is {facts(decision.event)}"]
    if said.envelope.causation not in {None, due[1].id if due else None}:
        when = f"called for since {due[1].sequence}" if due else "called for by the time"
        return [f"{said.sequence}: said {body.TYPE} because of {said.envelope.causation}, {when}"]
    return []


def facts(event: Event) -> dict[str, Any]:
    """What an event says, but for the time."""
    return {"type": event.TYPE, **event.model_dump(exclude=set(TIMED))}


COMPLETED = next(path for path in HISTORIES if path.stem == "completed")


def test_the_check_of_deciders_sees_what_is_missing_and_what_is_too_much() -> None:
    records = history(COMPLETED).records
    by_type = {record.body.TYPE: record for record in records}
    closed, completed, averaged = by_type["cycle.closed"], by_type["experiment.completed"], by_type["model.averaged"]
    without = tuple(record for record in records if record is not completed)
    assert contradictions(without, "coordinator", Coordination()) == ["never said: experiment.completed"]
    unheard = tuple(record for record in records if record is not averaged)
    assert contradictions(unheard, "coordinator", Coordination())
    early = (*records[: records.index(closed) - 1], closed, *records[records.index(closed) - 1 :])
    assert contradictions(early, "coordinator", Coordination())


def test_the_check_of_messages_sees_a_changed_one(tmp_path: Path) -> None:
    head, *lines = COMPLETED.read_text().splitlines()
    changed = json.loads(lines[20])
    changed["headers"]["ce-time"] = "2020-01-01T00:00:00.000000Z"
    copy = tmp_path / "changed.jsonl"
    copy.write_text("\n".join([head, *lines[:20], json.dumps(changed), *lines[21:]]) + "\n")
    assert load(copy).unproven == {21: "message.signature"}
    with pytest.raises(Integrity):
        verify_file(copy)


def test_the_summary_counts_what_is_there() -> None:
    found = history(COMPLETED)
    directory, types = Directory(found.anchor), Counter[str]()
    for stored in found.messages:
        try:
            types[directory.verify(stored.message).body.TYPE] += 1
        except MusterError:  # pragma: no cover - a completed history holds nothing unproven
            pytest.fail(f"message {stored.sequence} proves nothing")
    assert summary(found)["types"] == types
