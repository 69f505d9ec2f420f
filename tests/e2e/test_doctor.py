"""``muster doctor`` and ``muster deadletters`` on a federation that things are done to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.errors import NotFound
from bus.events.base import ExperimentId, OwnerId
from bus.events.cycles import Cycle, CycleClosed, CycleKind
from bus.events.experiments import Strategy
from bus.events.principals import PrincipalRegistered
from bus.identity.directory import Principal
from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker, api
from bus.jetstream.provision import provide_consumer
from bus.runtime.voice import Voice
from bus.wire.message import Message
from bus.wire.topology import AGGREGATOR, StreamName, commands_of
from muster.deadletters import hand_out_again
from muster.federation.layout import Layout
from support.nats import running_server
from support.terminal import Terminal

LEASE_S = 3
FOLDERS = {"coordinator", "policy_engine", "audit_sink"}


def findings(report: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [each for each in report["findings"] if each["check"] == check]


def states(report: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in report["findings"]:
        found.setdefault(each["check"], set()).add(each["state"])
    return found


@contextmanager
def standing_still(layout: Layout, name: str) -> Iterator[None]:
    """The process hangs, so that nobody starts it again."""
    pid = int(json.loads(layout.processes.read_text())[name])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def speaking(layout: Layout, name: str) -> AsyncIterator[JetStreamBroker]:
    identity = Identity.load(layout.identity(name))
    async with JetStreamBroker.connect(Endpoint(layout.read().url, name, identity.nkey_seed)) as broker:
        yield broker


async def lapsed(layout: Layout, edge: str) -> None:
    """Until the coordinator has said that the lease of ``edge`` ran out."""
    async with speaking(layout, "operator") as broker, asyncio.timeout(30):
        async for _ in broker.log(StreamName.EVENTS).read(f"ev.federation.edge.{edge}.*.lapsed.*", follow=True):
            return


async def buried(layout: Layout, filter_: str, services: set[str]) -> None:
    """Until all ``services`` have put something to the dead letters."""
    async with speaking(layout, "operator") as broker, asyncio.timeout(30):
        async for stored in broker.log(StreamName.DEADLETTERS).read(filter_, follow=True):
            services = services - {stored.message.subject.split(".")[1]}
            if not services:
                return


@pytest.mark.timeout(300)
async def test_a_federation_is_examined_while_things_go_wrong(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, tmp_path / "federation")
    layout = Layout(tmp_path / "federation")
    async with terminal.up(layout.directory, "--edges", "2", "--lease", str(LEASE_S)):
        await _healthy(terminal)
        await _hanging(terminal, layout)
        await _garbage(terminal, layout)
        await _command(terminal, layout)
        await _new_keys(terminal, layout)
        await _missing(terminal, layout)
    await _down(terminal, layout)


async def _healthy(terminal: Terminal) -> None:
    report = await terminal.succeed("doctor")
    # Disk and isolation are this machine's.
    wrong = {check: found for check, found in states(report).items() if found != {"ok"}}
    assert not wrong.keys() - {"disk", "edges"}, report
    assert report["state"] != "broken"
    assert "nats-server 2.15." in findings(report, "server")[0]["found"]
    assert "EVENTS" in findings(report, "streams")[0]["found"]
    assert "as registered" in findings(report, "keys")[0]["found"]
    assert any(each["remedy"] == "muster ingest" for each in findings(report, "edges"))


async def _hanging(terminal: Terminal, layout: Layout) -> None:
    with standing_still(layout, "edge-2"):
        await lapsed(layout, "edge-2")
        done = await terminal("doctor", "--json")
        shown = await terminal("doctor")
    assert done.status == shown.status == 1
    (silent,) = findings(done.json, "services")
    assert (silent["state"], silent["found"].split()[0]) == ("broken", "edge-2")
    assert str(layout.log("edge-2")) in silent["remedy"]
    assert "edge-2" in shown.out


async def _garbage(terminal: Terminal, layout: Layout) -> None:
    subject = "ev.acme.experiment.garbage.acme.submitted"
    async with speaking(layout, "acme") as broker:
        await broker.log(StreamName.EVENTS).append(
            [Message(subject, {"any": "[thing]", "bell": "\x1b[2J"}, b"\xc1garbage")]
        )
    await buried(layout, "dead.>", FOLDERS)

    report = await terminal.succeed("doctor")
    dead = findings(report, "dead letters")
    assert {each["state"] for each in dead} == {"warning"}
    assert {each["found"].split()[0] for each in dead} == FOLDERS

    listed = await terminal.succeed("deadletters", "list")
    assert listed["count"] == len(FOLDERS)
    assert [each["sequence"] for each in listed["letters"]] == sorted(each["sequence"] for each in listed["letters"])
    only = await terminal.succeed(
        "deadletters", "list", "--service", "coordinator", "--code", listed["letters"][0]["code"]
    )
    (letter,) = only["letters"]
    assert letter["subject"] == subject
    assert (await terminal.succeed("deadletters", "list", "--service", "aggregator"))["count"] == 0

    number = str(letter["sequence"])
    shown = await terminal.succeed("deadletters", "show", number)
    assert shown["headers"]["any"] == "[thing]"
    assert "payload" not in shown
    assert shown["reason"]
    opened = await terminal.succeed("deadletters", "show", number, "--payload")
    assert opened["payload"] == b"\xc1garbage".hex()
    prose = await terminal("deadletters", "show", number)
    assert "[thing]" in prose.out
    assert "\x1b" not in prose.out
    assert b"\xc1garbage".hex() not in prose.out

    status, code, message = await terminal.fail("deadletters", "retry", number)
    assert (status, code) == (2, "deadletter.folded")
    assert "services/coordinator/snapshot.json" in message
    assert (await terminal.fail("deadletters", "show", "4711"))[:2] == (4, "deadletter.missing")


async def _command(terminal: Terminal, layout: Layout) -> None:
    """A command that is no command: an edge refuses it, and would again."""
    async with speaking(layout, "coordinator") as broker:
        await broker.log(StreamName.COMMANDS).append([Message("cmd.edge-1.x.cycle_run.1", {}, b"\x80")])
    await buried(layout, "dead.edge-1.>", {"edge-1"})
    (letter,) = (await terminal.succeed("deadletters", "list", "--service", "edge-1"))["letters"]
    status, code, message = await terminal.fail("deadletters", "retry", str(letter["sequence"]))
    assert (status, code) == (2, "deadletter.hopeless")
    assert letter["reason"].split(":")[0] in message


async def _new_keys(terminal: Terminal, layout: Layout) -> None:
    """The coordinator closes a cycle with keys that are registered too late; then the aggregator is to try again."""
    old = Identity.load(layout.identity("coordinator"))
    new = replace(old, signing=Ed25519PrivateKey.generate())
    closed = CycleClosed(
        experiment=ExperimentId("x"),
        cycle=Cycle(number=0, kind=CycleKind.EVALUATE),
        revision=1,
        included=(),
        strategy=Strategy(name="mean"),
        recipients=(),
    )
    async with speaking(layout, "coordinator") as broker:
        await Voice(broker, new).say(closed, owner=OwnerId("acme"))
    await buried(layout, "dead.aggregator.>", {"aggregator"})
    (letter,) = (await terminal.succeed("deadletters", "list", "--service", "aggregator"))["letters"]
    number = str(letter["sequence"])
    assert (await terminal.fail("deadletters", "retry", number))[:2] == (2, "deadletter.hopeless")

    async with speaking(layout, "operator") as broker:
        public = Principal.of(new)
        registration = PrincipalRegistered(
            principal=public.principal,
            revision=2,
            role=public.role,
            owner=public.owner,
            signing_key=public.signing_key,
            sealing_key=public.sealing_key,
        )
        await Voice(broker, Identity.load(layout.identity("operator"))).say(registration)
    retried = await terminal.succeed("deadletters", "retry", number)
    assert (retried["service"], retried["origin"], retried["handed_out"]) == ("aggregator", letter["origin"], 1)
    async with speaking(layout, "operator") as broker, asyncio.timeout(30):
        async for stored in broker.log(StreamName.EVENTS).read("ev.acme.model.x.aggregator.evaluated.*", follow=True):
            assert stored.sequence > letter["origin"]
            break
    await terminal.succeed("deadletters", "retry", number)
    done = await terminal("doctor", "--json")
    (foreign,) = findings(done.json, "keys")
    assert (done.status, foreign["found"].split()[3]) == (1, "coordinator")


async def _missing(terminal: Terminal, layout: Layout) -> None:
    async with speaking(layout, "operator") as broker:
        await api.call(broker.control, f"STREAM.DELETE.{StreamName.TELEMETRY}")
    done = await terminal("doctor", "--json")
    (missing,) = findings(done.json, "streams")
    assert (done.status, missing["state"], missing["found"]) == (1, "broken", "TELEMETRY is missing")
    assert states(done.json)["server"] == {"ok"}


async def _down(terminal: Terminal, layout: Layout) -> None:
    done = await terminal("doctor", "--json")
    assert done.status == 1
    (server,) = findings(done.json, "server")
    assert server["state"] == "broken"
    assert server["remedy"] == f"muster up {layout.directory}"
    assert states(done.json)["keys"] == {"ok"}
    assert states(done.json).keys() == {"server", "disk", "keys"}
    layout.identity("acme").joinpath("identity.json").chmod(0o644)
    (key,) = findings((await terminal("doctor", "--json")).json, "keys")
    assert (key["state"], key["remedy"].split()[:2]) == ("broken", ["chmod", "600"])
    assert (await terminal.fail("deadletters", "list"))[0] == 8


async def test_handing_out_again_leaves_nothing_out(tmp_path: Path) -> None:
    """A consumer is set back to the letter, or further: what is not settled yet must come again too."""
    async with (
        running_server(tmp_path) as server,
        JetStreamBroker.connect(Endpoint(server.settings.url, "aggregator")) as broker,
        asyncio.timeout(30),
    ):
        await provide_consumer(broker.control, AGGREGATOR)
        for name in "abcd":
            await broker.log(StreamName.EVENTS).append([Message(f"ev.acme.cycle.x.coordinator.closed.{name}", {}, b"")])
        deliveries = broker.inbox(AGGREGATOR).deliveries()
        first, slow, dead, last = [await anext(deliveries) for _ in range(4)]
        await dead.term("of no use")
        await first.ack()
        await last.ack()
        assert await hand_out_again(broker.control, AGGREGATOR, dead.stored.sequence) == 3
        again = [await anext(deliveries) for _ in range(3)]
        assert [each.stored.sequence for each in again] == [slow.stored.sequence, dead.stored.sequence, 4]
        for each in again:
            await each.ack()
        assert await hand_out_again(broker.control, AGGREGATOR, last.stored.sequence) == 1
        assert (await anext(deliveries)).stored.sequence == last.stored.sequence
        with pytest.raises(NotFound):
            await hand_out_again(broker.control, commands_of("hospital-x"), 1)
