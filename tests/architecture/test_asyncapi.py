"""docs/reference/asyncapi.yaml describes the bus as it is, and is sound AsyncAPI 3.0."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bus.events import CATALOGUE, Role
from bus.events.base import SERVICES, OwnerId, PrincipalId
from bus.events.cycles import Cycle, CycleExpired, CycleKind, CycleOpened
from bus.events.experiments import StopRequested
from bus.events.principals import EdgeAppeared
from bus.identity.directory import Principal, sign
from bus.identity.permissions import permissions
from bus.wire import envelope, subjects
from bus.wire.topology import STREAMS
from support.people import identity

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "asyncapi.yaml"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NAMES = re.compile(r"[\w.-]+")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load(PAGE.read_text(encoding="utf-8"))


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """All objects in ``node``."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from nodes(each)
    elif isinstance(node, list):
        for each in node:
            yield from nodes(each)


def at(document: dict[str, Any], ref: str) -> Any:
    """What a reference leads to."""
    found: Any = document
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_it_is_current(tmp_path: Path) -> None:
    for name in ("once", "twice"):
        subprocess.run([sys.executable, ROOT / "scripts" / "asyncapi.py", tmp_path / name], check=True, cwd=ROOT)
        assert (tmp_path / name).read_text() == PAGE.read_text(), "run `make docs`: asyncapi.yaml"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    refs = [node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)]
    assert refs
    for ref in refs:
        assert ref.startswith("#/")
        assert at(document, ref) is not None


def test_every_body_has_a_message_with_its_schema(document: dict[str, Any]) -> None:
    for body in CATALOGUE:
        message = document["components"]["messages"][body.TYPE]
        headers = message["headers"]["properties"]
        assert headers["ce-type"]["const"] == f"muster.{body.TYPE}"
        assert headers["ce-schemaversion"]["const"] == str(body.VERSION)
        payload = at(document, message["payload"]["$ref"])
        assert set(payload["properties"]) == set(body.model_fields)
        needed = {name for name, field in body.model_fields.items() if field.is_required()}
        assert set(payload.get("required", ())) == needed


def test_every_body_has_a_sender_for_each_role_that_may_say_it(document: dict[str, Any]) -> None:
    sent = {name for name, node in document["operations"].items() if node["action"] == "send"}
    assert {f"{role}.send.{body.TYPE}" for body in CATALOGUE for role in body.BY} <= sent


def test_every_message_has_a_receiver(document: dict[str, Any]) -> None:
    received = {node["channel"]["$ref"] for node in document["operations"].values() if node["action"] == "receive"}
    assert received == {f"#/channels/{name}" for name in document["channels"]}


def test_the_envelope_is_what_travels(document: dict[str, Any]) -> None:
    body = CycleExpired(experiment="X", cycle=Cycle(number=1, kind=CycleKind.TRAIN))
    subject = subjects.of(body, owner="acme", actor="coordinator")
    bare = envelope.wrap(body, subject=subject, actor=PrincipalId("coordinator"), time=NOW)
    full = envelope.wrap(
        body,
        subject=subject,
        actor=PrincipalId("coordinator"),
        time=NOW,
        causation=envelope.message_id("cause"),
        correlation="X",
        traceparent="00-a-b-01",
    )
    schema = document["components"]["schemas"]["Envelope"]
    assert set(sign(bare, identity("coordinator")).headers) == set(schema["required"])
    headers = sign(full, identity("coordinator")).headers
    assert set(headers) == set(schema["properties"])
    for name, node in schema["properties"].items():
        assert headers[name] == node.get("const", headers[name])
        assert re.search(node.get("pattern", ""), headers[name])


@pytest.mark.parametrize(
    ("body", "actor", "owner"),
    [
        (CycleExpired(experiment="X", cycle=Cycle(number=1, kind=CycleKind.TRAIN)), "coordinator", "acme"),
        (
            CycleOpened(experiment="X", cycle=Cycle(number=1, kind=CycleKind.TRAIN), cohort=(), quorum=1, deadline=NOW),
            "coordinator",
            "acme",
        ),
        (StopRequested(experiment="X", request="r"), "operator", "globex"),
        (EdgeAppeared(edge="hospital-a", turn=2), "coordinator", "federation"),
    ],
)
def test_addresses_are_those_of_real_messages(document: dict[str, Any], body: Any, actor: str, owner: str) -> None:
    address = document["channels"][body.TYPE]["address"]
    pattern = re.sub(r"\\{\w+\\}", "[A-Za-z0-9_-]+", re.escape(address))
    assert re.fullmatch(pattern, subjects.of(body, owner=owner, actor=actor))


def test_senders_may_publish_where_they_send(document: dict[str, Any]) -> None:
    for name, node in document["operations"].items():
        if node["action"] != "send":
            continue
        role = Role(name.split(".")[0])
        who = role.value if role in SERVICES else "somebody"
        owner = OwnerId("acme" if role is Role.VENDOR else "federation")
        address = at(document, node["channel"]["$ref"])["address"].replace("{owner}", owner)
        subject = re.sub(r"{(actor|holder|service|edge|vendor|operator)}", who, address)
        subject = re.sub(r"{\w+}", "x", subject)
        rules = permissions(Principal(PrincipalId(who), role, owner, b"", b"")).publish
        assert any(subjects.matches(rule, subject) for rule in rules), f"{name}: {role} may not publish on {subject}"


def test_streams_are_those_of_the_topology(document: dict[str, Any]) -> None:
    assert {node["x-jetstream"]["stream"] for node in document["channels"].values()} == {s.name for s in STREAMS}


# What AsyncAPI 3.0.0 (https://www.asyncapi.com/docs/reference/specification/v3.0.0) fixes for the objects used here.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "root": ({"asyncapi", "info"}, {"defaultContentType", "servers", "channels", "operations", "components", "id"}),
    "info": ({"title", "version"}, {"description", "license", "contact", "termsOfService", "tags", "externalDocs"}),
    "server": ({"host", "protocol"}, {"description", "variables", "title", "summary", "security", "tags", "bindings"}),
    "channel": (set(), {"address", "messages", "title", "summary", "description", "servers", "parameters", "tags"}),
    "parameter": (set(), {"enum", "default", "description", "examples", "location"}),
    "operation": ({"action", "channel"}, {"title", "summary", "description", "messages", "tags", "reply", "traits"}),
    "message": (
        set(),
        {"headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "tags"},
    ),
    "tag": ({"name"}, {"description", "externalDocs"}),
    "correlationId": ({"location"}, {"description"}),
}


def check(kind: str, node: dict[str, Any]) -> None:
    needed, allowed = OBJECTS[kind]
    found = {name for name in node if not name.startswith("x-")}
    assert needed <= found <= needed | allowed, f"{kind} has {sorted(found)}"
    for tag in node.get("tags", ()):
        check("tag", tag) if kind != "tag" else None


def test_head_and_servers_are_sound(document: dict[str, Any]) -> None:
    check("root", document)
    assert document["asyncapi"] == "3.0.0"
    check("info", document["info"])
    assert "name" in document["info"]["license"]
    for server in document["servers"].values():
        check("server", server)
        assert set(re.findall(r"{(\w+)}", server["host"])) == set(server["variables"])


def test_channels_are_sound(document: dict[str, Any]) -> None:
    addresses = [node["address"] for node in document["channels"].values()]
    assert len(set(addresses)) == len(addresses)
    for name, node in document["channels"].items():
        assert NAMES.fullmatch(name)
        check("channel", node)
        # "This map MUST contain all the parameters used in the parent channel expression"; no query, no fragment.
        assert set(re.findall(r"{([\w-]+)}", node["address"])) == set(node.get("parameters", ()))
        assert not set("?#") & set(node["address"])
        for parameter in node.get("parameters", {}).values():
            check("parameter", parameter)
            assert parameter["description"]
        assert [ref["$ref"] for ref in node["messages"].values()] == [f"#/components/messages/{name}"]


def test_operations_are_sound(document: dict[str, Any]) -> None:
    for name, node in document["operations"].items():
        assert NAMES.fullmatch(name)
        check("operation", node)
        assert node["action"] in {"send", "receive"}
        channel = node["channel"]["$ref"]
        assert re.fullmatch(r"#/channels/[^/]+", channel)
        # "It MUST contain a subset of the messages defined in the channel referenced in this operation".
        for message in node["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_components_are_sound(document: dict[str, Any]) -> None:
    components = document["components"]
    assert set(components) <= {"messages", "schemas", "correlationIds"}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for part in components.values() for name in part)
    for message in components["messages"].values():
        check("message", message)
        assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", message["contentType"])
        if "headers" in message:
            assert message["headers"]["type"] == "object"
    for correlation in components["correlationIds"].values():
        check("correlationId", correlation)
        assert re.match(r"^\$message\.(header|payload)#/", correlation["location"])


def test_schemas_are_sound(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), f"{name} has no description"
        assert set(schema.get("required", ())) <= set(schema.get("properties", ()))
        for node in nodes(schema):
            assert "$defs" not in node
            kind = node.get("type")
            if isinstance(kind, str):
                assert kind in {"object", "array", "string", "number", "integer", "boolean", "null"}
