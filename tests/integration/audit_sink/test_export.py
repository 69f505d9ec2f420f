"""Export a log from a real server and verify it offline, as it is and after somebody was at it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audit_sink import service
from audit_sink.service import AuditSinkSettings
from bus.errors import Integrity, Invalid, NotFound
from bus.events.base import OwnerId, PrincipalId, Role
from bus.events.governance import Checkpointed, VendorAllowed
from bus.identity.directory import Directory, Principal
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker
from bus.jetstream.server import EmbeddedServer
from bus.ports import Broker
from bus.runtime.listening import ignore, verified
from bus.runtime.service import Context
from bus.runtime.voice import Voice
from bus.wire.message import Message
from bus.wire.topology import StreamName
from muster.cli import proof
from muster.proof.verify import export_log, verify_file
from support import people

EVENTS = 30
KNOWN = len(people.ROLES) - 1
Line = dict[str, Any]


@pytest.fixture
async def broker(nats_server: EmbeddedServer) -> AsyncIterator[Broker]:
    async with JetStreamBroker.connect(Endpoint(nats_server.settings.url, "tester")) as connected:
        yield connected


async def sign(broker: Broker, folder: Path) -> None:
    """Run an audit sink until it has signed for everything that is there."""
    folder.mkdir(exist_ok=True)
    size = [stored async for stored in broker.log(StreamName.EVENTS).read("ev.>")][-1].sequence
    stop = asyncio.Event()
    settings = AuditSinkSettings(server_url="-", identity=folder, anchor=folder, data=folder)
    voice = Voice(broker, people.identity("audit_sink"))
    directory = Directory(people.anchor())
    tasks = await service.build(Context(settings, broker, voice, people.anchor(), directory, stop))
    running = asyncio.ensure_future(tasks["events"]())
    async with asyncio.timeout(30):
        async for record in verified(broker, people.directory(), "ev.federation.audit.>", reject=ignore, follow=True):
            if isinstance(record.body, Checkpointed) and record.body.size >= size:
                break
    stop.set()
    await running


@pytest.fixture
async def exported(broker: Broker, tmp_path: Path) -> Path:
    """A log of some events, with a checkpoint for all and two events behind it."""
    operator = Voice(broker, people.identity("operator"))
    for name in people.ROLES:
        if name != "operator":
            await operator.say(people.registration(name))
    for number in range(EVENTS):
        await operator.say(VendorAllowed(vendor=OwnerId("acme"), request=f"r{number}"))
    await sign(broker, tmp_path / "sink")
    for number in range(2):
        await operator.say(VendorAllowed(vendor=OwnerId("acme"), request=f"later{number}"))
    path = tmp_path / "log.jsonl"
    assert await export_log(broker, people.anchor(), path) == KNOWN + EVENTS + 3
    return path


async def test_an_export_verifies(exported: Path) -> None:
    for anchor in (people.anchor(), None):
        found = verify_file(exported, anchor)
        assert (found.events, found.covered, found.newer) == (KNOWN + EVENTS + 3, KNOWN + EVENTS, 2)
        assert (found.checkpoints, found.unproven) == (1, ())
    assert not list(exported.parent.glob(".*.part"))


async def test_an_export_can_be_repeated_with_more_in_it(exported: Path, broker: Broker, tmp_path: Path) -> None:
    await sign(broker, tmp_path / "sink")
    await export_log(broker, people.anchor(), exported)
    found = verify_file(exported, people.anchor())
    assert (found.covered, found.newer, found.checkpoints) == (KNOWN + EVENTS + 3, 0, 2)


async def test_garbage_in_the_stream_is_listed_and_is_no_fault(exported: Path, broker: Broker, tmp_path: Path) -> None:
    garbage = Message("ev.acme.experiment.[/].acme.submitted", {"ce-id": "é"}, b"\x00\xff")
    await broker.log(StreamName.EVENTS).append([garbage])
    await sign(broker, tmp_path / "sink")
    await export_log(broker, people.anchor(), exported)
    found = verify_file(exported, people.anchor())
    assert found.newer == 0
    assert [(each.subject, each.code) for each in found.unproven] == [(garbage.subject, "envelope.attribute")]
    status, shown = await command("verify", exported, "--anchor", anchor_file(tmp_path))
    assert status == 0
    assert "ev.acme.experiment.[/].acme.submitted" in shown


async def test_a_forged_checkpoint_of_somebody_else_counts_for_nothing(
    exported: Path, broker: Broker, tmp_path: Path
) -> None:
    forger = Voice(broker, people.identity("acme"))
    await forger.say(Checkpointed(log=PrincipalId("audit_sink"), size=3, root=bytes(32), note="forged"))
    await export_log(broker, people.anchor(), exported)
    found = verify_file(exported, people.anchor())
    assert [each.code for each in found.unproven] == ["message.role"]
    assert (found.checkpoints, found.covered) == (1, KNOWN + EVENTS)


async def test_a_lie_of_the_audit_sink_itself_is_found(exported: Path, broker: Broker) -> None:
    liar = Voice(broker, people.identity("audit_sink"))
    await liar.say(Checkpointed(log=PrincipalId("audit_sink"), size=3, root=bytes(32), note="forged"))
    await export_log(broker, people.anchor(), exported)
    with pytest.raises(Integrity) as caught:
        verify_file(exported, people.anchor())
    assert caught.value.details["sequence"] == KNOWN + EVENTS + 4


def flipped(line: Line) -> Line:
    data = bytearray(base64.b64decode(line["data"]))
    data[len(data) // 2] ^= 1
    return {**line, "data": base64.b64encode(data).decode()}


def reheaded(line: Line) -> Line:
    time = line["headers"]["ce-time"]
    return {**line, "headers": {**line["headers"], "ce-time": time[:-2] + ("1" if time[-2] == "0" else "0") + "Z"}}


def renumbered(lines: list[Line]) -> list[Line]:
    return [{**line, "sequence": number} for number, line in enumerate(lines, 1)]


AT = 20
TAMPERINGS: dict[str, Callable[[list[Line]], list[Line]]] = {
    "a byte of data": lambda log: [*log[:AT], flipped(log[AT]), *log[AT + 1 :]],
    "a byte of a header": lambda log: [*log[:AT], reheaded(log[AT]), *log[AT + 1 :]],
    "a header that is gone": lambda log: [*log[:AT], {**log[AT], "headers": {}}, *log[AT + 1 :]],
    "a subject": lambda log: [*log[:AT], {**log[AT], "subject": "ev.x"}, *log[AT + 1 :]],
    "data that are no base64": lambda log: [*log[:AT], {**log[AT], "data": "?"}, *log[AT + 1 :]],
    "a missing field": lambda log: [*log[:AT], {"sequence": AT + 1}, *log[AT + 1 :]],
    "the first dropped": lambda log: renumbered(log[1:]),
    "one dropped": lambda log: [*log[:AT], *log[AT + 1 :]],
    "one dropped, renumbered": lambda log: renumbered([*log[:AT], *log[AT + 1 :]]),
    "one added": lambda log: renumbered([*log[:AT], log[3], *log[AT:]]),
    "two swapped": lambda log: [*log[:AT], log[AT + 1], log[AT], *log[AT + 2 :]],
    "two swapped, renumbered": lambda log: renumbered([*log[:AT], log[AT + 1], log[AT], *log[AT + 2 :]]),
    "cut before the checkpoint": lambda log: log[: KNOWN + EVENTS],
    "nothing left": lambda log: [],
}


async def test_every_tampering_is_found(exported: Path, tmp_path: Path) -> None:
    """One federation for all of them."""
    head, *lines = [json.loads(line) for line in exported.read_text().splitlines()]
    anchor = anchor_file(tmp_path)
    for name, tamper in TAMPERINGS.items():
        path = tmp_path / "tampered.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in [head, *tamper(lines)]))
        for trusted in (people.anchor(), None):
            with pytest.raises(Integrity):
                pytest.fail(f"{name}: {verify_file(path, trusted)}")
        assert (await command("verify", path, "--anchor", anchor))[0] == 6, name


async def test_a_file_that_was_cut_within_a_line(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(exported.read_bytes()[:-40])
    with pytest.raises(Integrity, match="cut or changed"):
        verify_file(path, people.anchor())


async def test_another_operator_is_not_believed(exported: Path) -> None:
    stranger = Principal.of(Identity.generate(PrincipalId("operator"), Role.OPERATOR, OwnerId("federation")))
    with pytest.raises(Integrity, match="another operator"):
        verify_file(exported, stranger)


async def test_what_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify_file(tmp_path / "nowhere.jsonl")
    for content in (b"", b"{}\n", b'{"format": "other", "anchor": {}}\n', b"\xff\xfe\n"):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(Invalid):
            verify_file(tmp_path / "other")


async def test_an_export_that_cannot_be_written(broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be written"):
        await export_log(broker, people.anchor(), tmp_path / "nowhere" / "log.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Invalid, match="cannot be written"):
        await export_log(broker, people.anchor(), tmp_path / "folder")
    assert not list(tmp_path.glob(".*.part"))


async def test_the_command_says_whom_it_believes(exported: Path, tmp_path: Path) -> None:
    status, shown = await command("verify", exported, "--json")
    assert (status, json.loads(shown)["anchor"]) == (0, "file")
    status, shown = await command("verify", exported, "--json", "--anchor", anchor_file(tmp_path))
    found = json.loads(shown)
    assert (status, found["anchor"], found["covered"], found["newer"]) == (0, "given", KNOWN + EVENTS, 2)
    status, shown = await command("verify", exported, "--json", "--federation", tmp_path / "nowhere")
    assert (status, json.loads(shown)["error"]["code"]) == (4, "federation.missing")


def anchor_file(folder: Path) -> Path:
    people.anchor().save(folder / "anchor.json")
    return folder / "anchor.json"


async def command(*arguments: str | os.PathLike[str]) -> tuple[int, str]:
    """Run ``muster`` with ``arguments``: its status and its standard output."""
    runner = CliRunner()
    result = await asyncio.to_thread(runner.invoke, proof.app, [str(each) for each in arguments])
    return result.exit_code, result.stdout
