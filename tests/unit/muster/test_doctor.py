"""What the doctor makes of facts: every check, in every state."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bus.identity.directory import Principal
from bus.jetstream.provision import consumer_config, stream_config
from bus.wire import topology
from bus.wire.topology import STREAMS, StreamName
from muster.doctor import machine, people
from muster.doctor.diagnosis import Diagnosis, diagnose
from muster.doctor.facts import (
    Bus,
    ConsumerFacts,
    Disk,
    Facts,
    Finding,
    Key,
    Lease,
    Said,
    Server,
    State,
    StreamFacts,
    Waiting,
)
from muster.doctor.gather import counted
from muster.federation.layout import SERVICES, Description, Layout
from support.people import identity

HERE = Layout(Path("/federation"))
URL = "nats://127.0.0.1:4222"
EDGES = ("hospital-a", "hospital-b")
EVERYBODY = (*SERVICES, *EDGES)
BUDGET = 1000 * 1024**2
GOOD = Server(URL, "2.15.1")
DESCRIPTION = Description(name="test", port=4222, edges=EDGES, vendors=("acme",), disk_bytes=BUDGET)


def the(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


def stream(name: StreamName, size_bytes: int = 0, **changes: object) -> StreamFacts:
    spec = topology.stream(name)
    wanted = stream_config(spec, disk_bytes=BUDGET, replicas=1)
    # As the server answers: what is not set is left out, and there is more than was asked for.
    config = {key: value for key, value in wanted.items() if value} | {"sealed": False} | changes
    return StreamFacts(spec, wanted, config, size_bytes)


def consumer(waiting: int = 0, **changes: object) -> ConsumerFacts:
    spec = topology.commands_of("hospital-a")
    wanted = consumer_config(spec)
    return ConsumerFacts(spec, "hospital-a", wanted, {**wanted, **changes}, waiting, under_way=1)


def lease(holder: str, age_s: float = 1.0, ahead_s: float = -0.01) -> Lease:
    return Lease(holder, 3.0, age_s, ahead_s)


def key(name: str) -> Key:
    return Key(name, HERE.identity(name) / "identity.json", 0o600, Principal.of(identity(name)))


def known(*names: str) -> dict[str, Principal]:
    return {name: Principal.of(identity(name)) for name in names}


OPERATOR = Principal.of(identity("operator"))
KEYS = tuple(key(name) for name in DESCRIPTION.principals)
SAID = Said(
    leases={name: lease(name) for name in EVERYBODY},
    registered=known(*DESCRIPTION.principals),
    isolation=dict.fromkeys(EDGES, "bubblewrap"),
    datasets=dict.fromkeys(EDGES, ("cancer",)),
)
WELL = Facts(
    HERE,
    DESCRIPTION,
    KEYS,
    OPERATOR,
    Disk(HERE.directory, 100, 60),
    GOOD,
    Bus(tuple(stream(spec.name) for spec in STREAMS), (consumer(),), {}, SAID),
)


def test_a_healthy_federation_is_ok_in_every_respect() -> None:
    found = diagnose(WELL)
    assert found.state is State.OK
    assert {each.state for each in found.findings} == {State.OK}
    assert {each.remedy for each in found.findings} == {""}
    checks = ("server", "disk", "keys", "streams", "consumers", "dead letters", "backlog")
    assert [each.check for each in found.findings] == [*checks, "services", "clocks", "edges", "experiments"]


def test_the_worst_finding_counts() -> None:
    ok, warning, broken = (Finding("server", state, "something") for state in State)
    assert Diagnosis((ok,)).state is State.OK
    assert Diagnosis((ok, warning)).state is State.WARNING
    assert Diagnosis((warning, broken, ok)).state is State.BROKEN


def test_without_a_server_files_are_still_checked() -> None:
    away = Server(URL, code="broker.away", trouble=f"no server answers at {URL}")
    found = diagnose(replace(WELL, server=away, bus=None))
    assert [(each.check, each.state) for each in found.findings] == [
        ("server", State.BROKEN),
        ("disk", State.OK),
        ("keys", State.OK),
    ]
    assert found.findings[0].remedy == "muster up /federation"
    assert "not compared" in found.findings[2].found


def test_without_the_log_what_is_missing_is_named() -> None:
    bus = WELL.bus
    assert bus is not None
    events = replace(stream(StreamName.EVENTS), config=None)
    found = diagnose(replace(WELL, bus=replace(bus, streams=(events,), dead=None, said=None)))
    assert {each.check for each in found.findings}.isdisjoint({"dead letters", "services", "experiments"})
    assert [each.found for each in found.findings if each.state is State.BROKEN] == ["EVENTS is missing"]


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("2.15.0", State.OK),
        ("2.15.9-RC.1", State.OK),
        (None, State.OK),
        ("2.14.7", State.BROKEN),
        ("1.99.0", State.BROKEN),
        ("2.16.0", State.WARNING),
        ("3.0.0", State.WARNING),
    ],
)
def test_server_version(version: str | None, state: State) -> None:
    found = the(machine.server(Server(URL, version), HERE))
    assert found.state is state
    assert bool(found.remedy) == (state is not State.OK)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("broker.away", "muster up /federation"),
        ("broker.credential", "muster up /federation"),
        ("identity.damaged", "'keys'"),
        ("broker.timeout", "/federation/nats/server.log"),
    ],
)
def test_server_that_cannot_be_asked(code: str, remedy: str) -> None:
    found = the(machine.server(Server(URL, code=code, trouble="no answer"), HERE))
    assert (found.state, found.found) == (State.BROKEN, "no answer")
    assert remedy in found.remedy


@pytest.mark.parametrize("name", StreamName)
def test_streams_as_they_should_be(name: StreamName) -> None:
    assert the(machine.streams([stream(name)], HERE)).state is State.OK


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"deny_delete": False}, State.BROKEN, "EVENTS: deny_delete is False, expected True"),
        ({"max_msgs_per_subject": -1}, State.BROKEN, "EVENTS: max_msgs_per_subject is -1, expected 1"),
        ({"subjects": ["ev.acme.>"]}, State.BROKEN, "subjects"),
        ({"max_age": 5}, State.WARNING, "EVENTS: max_age is 5, expected 0"),
        ({"max_bytes": 1}, State.WARNING, "max_bytes is 1"),
    ],
)
def test_streams_that_differ(changes: dict[str, object], state: State, words: str) -> None:
    found = the(machine.streams([stream(StreamName.EVENTS, **changes), stream(StreamName.COMMANDS)], HERE))
    assert found.state is state
    assert words in found.found
    assert found.remedy.endswith("muster up /federation")


def test_a_setting_that_must_not_be_there() -> None:
    found = the(machine.streams([stream(StreamName.LEASES, discard_new_per_subject=True)], HERE))
    assert "discard_new_per_subject is True, expected False" in found.found


def test_every_difference_is_named() -> None:
    assert len(machine.streams([stream(StreamName.EVENTS, deny_purge=False, storage="memory")], HERE)) == 2


def test_missing_streams_and_consumers() -> None:
    gone = replace(stream(StreamName.WEIGHTS), config=None)
    assert the(machine.streams([gone], HERE)).state is State.BROKEN
    lost = replace(consumer(), config=None)
    found = the(machine.consumers([lost], HERE))
    assert (found.state, found.found) == (State.BROKEN, "edge-hospital-a is missing")


def test_consumers() -> None:
    assert the(machine.consumers([consumer()], HERE)).state is State.OK
    other = the(machine.consumers([consumer(filter_subject="cmd.hospital-b.>")], HERE))
    assert other.state is State.BROKEN
    fewer = the(machine.consumers([consumer(max_ack_pending=1)], HERE))
    assert fewer.state is State.WARNING


@pytest.mark.parametrize(
    ("free", "state"),
    [(21, State.OK), (20, State.WARNING), (6, State.WARNING), (5, State.BROKEN), (0, State.BROKEN)],
)
def test_room_on_disk(free: int, state: State) -> None:
    assert the(machine.disk(Disk(HERE.directory, 100, free), [])).state is state


@pytest.mark.parametrize(
    ("share", "state"), [(0.5, State.OK), (0.8, State.WARNING), (0.94, State.WARNING), (0.95, State.BROKEN)]
)
def test_room_in_streams(share: float, state: State) -> None:
    limit = stream(StreamName.EVENTS).wanted["max_bytes"]
    found = the(machine.disk(WELL.disk, [stream(StreamName.EVENTS, int(limit * share) + 1)]))
    assert found.state is state
    assert f"{share:.0%}" in found.found


def test_streams_that_discard_what_is_old_may_be_full() -> None:
    full = stream(StreamName.TELEMETRY, stream(StreamName.TELEMETRY).wanted["max_bytes"])
    assert the(machine.disk(WELL.disk, [full, stream(StreamName.LEASES, 10**9)])).state is State.OK


def test_a_disk_without_size_is_full() -> None:
    assert the(machine.disk(Disk(HERE.directory, 0, 0), [])).state is State.BROKEN


check_keys = partial(machine.keys, layout=HERE)


def test_keys_that_are_in_order() -> None:
    assert the(check_keys(KEYS, OPERATOR, known("acme", *EVERYBODY))).state is State.OK
    assert the(check_keys(KEYS, OPERATOR, None)).state is State.OK


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o601])
def test_keys_that_others_can_read(mode: int) -> None:
    found = the(check_keys([replace(key("acme"), mode=mode)], OPERATOR, None))
    assert (found.state, found.remedy) == (State.BROKEN, "chmod 600 /federation/identities/acme/identity.json")


def test_keys_that_are_missing_or_damaged() -> None:
    missing = Key("acme", Path("/nowhere"))
    assert the(check_keys([missing], OPERATOR, None)).found == "no keys in /nowhere"
    damaged = Key("acme", Path("/nowhere"), 0o600, trouble="the identity cannot be read")
    assert the(check_keys([damaged], OPERATOR, None)).found == "the identity cannot be read"


def test_keys_that_are_not_the_registered_ones() -> None:
    found = the(check_keys([key("acme")], OPERATOR, {"acme": Principal.of(identity("globex"))}))
    assert "not those that were registered" in found.found
    assert the(check_keys([key("acme")], OPERATOR, {})).found == "acme is not registered"


def test_the_anchor() -> None:
    assert the(check_keys([key("operator")], OPERATOR, {})).state is State.OK
    other = the(check_keys([key("operator")], Principal.of(identity("acme")), None))
    assert "keys of operator are not" in other.found
    assert "anchor.json cannot be read" in the(check_keys([key("operator")], None, None)).found


def test_services() -> None:
    alive = {name: lease(name) for name in EVERYBODY}
    assert the(people.services(alive, EVERYBODY, HERE)).state is State.OK
    late = the(people.services({**alive, "hospital-b": lease("hospital-b", 3.5)}, EVERYBODY, HERE))
    assert (late.state, late.found.split()[0]) == (State.BROKEN, "hospital-b")
    assert "/federation/logs/hospital-b.log" in late.remedy
    del alive["aggregator"]
    never = the(people.services(alive, EVERYBODY, HERE))
    assert (never.state, never.found) == (State.BROKEN, "aggregator never gave a sign of life")


@pytest.mark.parametrize(
    ("ahead_s", "state", "words"),
    [
        (2.0, State.OK, "2.00 s"),
        (-2.0, State.OK, "2.00 s"),
        (2.1, State.WARNING, "ahead of"),
        (-60.0, State.WARNING, "behind"),
        (60.5, State.BROKEN, "ahead of"),
        (-3600, State.BROKEN, "behind"),
    ],
)
def test_clocks(ahead_s: float, state: State, words: str) -> None:
    found = the(people.clocks({"a": lease("a"), "b": lease("b", ahead_s=ahead_s)}))
    assert found.state is state
    assert words in found.found


def test_clocks_of_nobody() -> None:
    assert the(people.clocks({})).state is State.OK


def test_edges() -> None:
    best, data = dict.fromkeys(EDGES, "bubblewrap"), dict.fromkeys(EDGES, ("cancer",))
    assert the(people.edges(best, data, EDGES)).remedy == ""
    for kind in ("namespaces", "none"):
        weak = the(people.edges({**best, "hospital-b": kind}, data, EDGES))
        assert (weak.state, weak.found) == (State.WARNING, f"hospital-b isolates with {kind}")
    absent = the(people.edges({"hospital-a": "bubblewrap"}, data, EDGES))
    assert (absent.state, absent.found) == (State.BROKEN, "hospital-b never enrolled")
    hint = the(people.edges(best, {"hospital-a": ("cancer",), "hospital-b": ()}, EDGES))
    assert (hint.state, hint.found, hint.remedy) == (State.OK, "no dataset at hospital-b", "muster ingest")


def test_backlog() -> None:
    assert "hospital-a 17" in the(people.backlog([consumer(16)])).found
    late = the(people.backlog([consumer(17)]))
    assert (late.state, late.found) == (State.WARNING, "17 messages wait for hospital-a, 1 are under way")
    assert the(people.backlog([replace(consumer(), config=None)])).found == "open messages: none"


def test_experiments() -> None:
    assert the(people.experiments([])).found == "none waits"
    stuck, moving = people.experiments(
        [Waiting("x", "2 live edges", moving=False), Waiting("y", "updates", moving=True)]
    )
    assert (stuck.state, stuck.found, stuck.remedy) == (State.WARNING, "x waits: 2 live edges", "muster explain x")
    assert (moving.state, moving.found) == (State.OK, "y waits: updates")


def test_dead_letters() -> None:
    assert the(people.dead_letters({})).state is State.OK
    one, two = people.dead_letters({("aggregator", "weights_finite"): 1, ("coordinator", "envelope_body"): 2})
    assert {one.state, two.state} == {State.WARNING}
    assert "1 message: weights_finite" in one.found
    assert two.remedy == "muster deadletters list --service coordinator --code envelope_body"


def test_dead_letters_are_counted_whatever_their_subjects() -> None:
    subjects = {"dead.edge.a_b.1": 1, "dead.edge.a_b.2": 1, "dead.acme.odd": 1, "dead.acme.odd.and.long.1": 2}
    assert counted(subjects) == {("edge", "a_b"): 2, ("acme", "odd"): 3}
