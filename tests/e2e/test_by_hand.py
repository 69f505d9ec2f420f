"""The commands of the quickstart, one by one, and what they say to bad input."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bus.identity.keys import Identity
from bus.jetstream import Endpoint, JetStreamBroker
from bus.wire.message import Message
from bus.wire.topology import StreamName
from hostile.models import zipped
from muster.federation.layout import Layout
from support.terminal import Terminal

HOSPITALS = ("hospital-a", "hospital-b", "hospital-c")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """A federation that runs, with data, plan and model file at hand."""
    terminal = Terminal(tmp_path, tmp_path / "federation")
    names = [argument for name in HOSPITALS for argument in ("--edge", name)]
    async with terminal.up(terminal.federation, *names, "--lease", "3"):
        await terminal.succeed("demo", "--files-only", "--dir", "files")
        yield terminal


async def ingest(terminal: Terminal, edge: str, *more: str) -> dict[str, Any]:
    files = terminal.folder / "files" / "data"
    return await terminal.succeed(
        *("ingest", "--edge", edge, "--dataset", "breast-cancer", "--target", "diagnosis"),
        *("--category", "tabular_classification"),
        *("--train", files / f"{edge}-train.csv", "--test", files / f"{edge}-test.csv", *more),
    )


def edited(terminal: Terminal, name: str, **changes: str) -> Path:
    """A copy of the plan with some lines replaced."""
    text = (terminal.folder / "files" / "plan.yaml").read_text()
    for key, value in changes.items():
        text = "\n".join(f"{key}: {value}" if line.startswith(f"{key}:") else line for line in text.splitlines())
    path = terminal.folder / "files" / f"{name}.yaml"
    path.write_text(text + "\n")
    return path


@pytest.mark.timeout(400)
async def test_the_quickstart(terminal: Terminal) -> None:
    for edge in HOSPITALS:
        assert (await ingest(terminal, edge))["splits"]["train"]["rows"] > 0
    assert [e["live"] for e in (await terminal.succeed("edges"))["edges"]] == [True] * 3
    assert len((await terminal.succeed("datasets"))["datasets"]) == 3
    await _linked(terminal)

    ran = await terminal.succeed("run", edited(terminal, "short", cycles="2"), "--follow")
    assert ran["state"] == "completed"
    (listed,) = (await terminal.succeed("list"))["experiments"]
    assert listed["id"] == ran["id"]
    events = (await terminal.succeed("log", ran["id"]))["events"]
    assert events[0]["type"] == "experiment.submitted"
    assert events[-1]["type"] == "experiment.completed"
    assert all(event["causation"] for event in events[1:] if event["actor"] == "aggregator")

    assert _told_together(terminal) >= {"acme", "policy_engine", "coordinator", "aggregator", *HOSPITALS}

    model = await terminal.succeed("download", ran["id"], "--out", "model")
    digest = hashlib.sha256(Path(model["path"]).read_bytes()).hexdigest()
    assert model["digest"] == ran["model"] == f"sha256:{digest}"

    await _scored(terminal, ran)
    replayed = await terminal.succeed("replay", ran["id"])
    assert replayed["equal"]
    assert len(replayed["outcomes"]) == 5
    verified = await terminal.succeed("verify")
    assert verified["unproven"] == []
    await terminal.succeed("export", "log.jsonl")
    elsewhere = Terminal(terminal.folder)
    anchor = terminal.federation / "anchor.json"  # type: ignore[operator]
    offline = await elsewhere.succeed("verify", "log.jsonl", "--anchor", anchor)
    assert offline["covered"] >= verified["covered"]
    text = (terminal.folder / "log.jsonl").read_text().replace("hospital-b", "hospital-x", 1)
    (terminal.folder / "forged.jsonl").write_text(text)
    assert (await elsewhere.fail("verify", "forged.jsonl", "--anchor", anchor))[0] == 6

    story = (await terminal.succeed("explain", ran["id"]))["story"]
    assert any("It completed after" in sentence for sentence in story)
    middle = events[len(events) // 2]["sequence"]
    assert (await terminal.succeed("replay", ran["id"], "--at", str(middle)))["state"] in {"running", "averaging"}
    assert (await terminal.succeed("replay", ran["id"], "--at", events[-1]["time"]))["cycles_done"] == 2
    forked = await terminal.succeed("fork", ran["id"], "--from-cycle", "1", "--follow")
    assert forked["model"] == ran["model"], "the same seed from the same model must lead to the same model"
    assert (await terminal.fail("fork", ran["id"], "--from-cycle", "7"))[:2] == (4, "fork.cycle")
    assert (await terminal.fail("replay", ran["id"], "--at", "yesterday"))[:2] == (2, "replay.moment")

    await _begun_from(terminal, ran["id"])

    started = await terminal.succeed("run", edited(terminal, "long", cycles="50"))
    stopped = await terminal.succeed("stop", started["id"], "--reason", "enough")
    assert stopped["state"] in {"stopped", "running", "queued", "averaging"}
    aborted = await terminal.succeed("abort", started["id"])
    assert aborted["state"] == "aborted"


async def _scored(terminal: Terminal, ran: dict[str, Any]) -> None:
    """All metrics are shown, with what they follow from."""
    found = await terminal.succeed("scores", ran["id"])
    values = {score["name"]: score for score in found["scores"]}
    assert {name: score["value"] for name, score in values.items()} == {s["name"]: s["value"] for s in ran["scores"]}
    assert (values["log_loss"]["better"], values["mcc"]["method"]) == ("lower", "from counts and sums of all rows")
    assert 0 < values["roc_auc"]["within"] < 0.001
    assert found["classes"] == ["benign", "malignant"]
    (matrix,) = found["confusion"]
    right, rows = sum(matrix["counts"][at][at] for at in range(2)), sum(map(sum, matrix["counts"]))
    assert (rows, right / rows) == (142, values["accuracy"]["value"])
    assert set(found["edges"]) == set(HOSPITALS)
    shown = await terminal("scores", ran["id"])
    assert shown.status == 0
    assert {"quadratic_kappa", "malignant", "hospital-c"} <= set(shown.out.split())


async def _linked(terminal: Terminal) -> None:
    """Model and data are held to each other; what differs is told with the rows that do not."""
    files = terminal.folder / "files"
    fits = await terminal.succeed("link", files / "model.py", "breast-cancer")
    assert fits["fits"]
    assert {row["ok"] for row in fits["requirements"]} == {True}
    assert sum(edge["train"]["rows"] for edge in fits["edges"].values()) == fits["total"]["train"]["rows"] == 427
    shown = await terminal("link", files / "model.py", "breast-cancer", "--plan", files / "plan.yaml")
    assert (shown.status, "{make: ratio, of: [mean_radius, mean_texture]}" in shown.out) == (0, True)

    (files / "narrow.py").write_text("num_feature_points = 20\n" + (files / "model.py").read_text())
    done = await terminal("link", files / "narrow.py", "breast-cancer", "--json")
    assert (done.status, done.json["fits"], done.json["error"]["code"]) == (2, False, "dataset.mismatch")
    wrong = [row for row in done.json["requirements"] if not row["ok"]]
    assert [(row["parameter"], row["expected"], row["found"]) for row in wrong] == [("num_feature_points", "20", "30")]
    shown = await terminal("link", files / "narrow.py", "breast-cancer")
    assert "to change, num_feature_points: write num_feature_points = 30" in shown.out
    assert (await terminal.fail("link", files / "model.py", "brest-cancer"))[:2] == (4, "dataset.missing")


async def _begun_from(terminal: Terminal, identity: str) -> None:
    """Another experiment begins with the model of the first; its model file is a zip."""
    files = terminal.folder / "files"
    (files / "again.zip").write_bytes(zipped({"model.py": (files / "model.py").read_bytes()}))
    model = await terminal.succeed("download", identity, "--out", "begun")
    Path(model["path"]).rename(files / "again_weights.safetensors")
    ran = await terminal.succeed("run", edited(terminal, "again", model="again.zip", cycles="1"), "--follow")
    assert ran["state"] == "completed"
    events = (await terminal.succeed("log", ran["id"]))["events"]
    (submitted,) = [event["body"] for event in events if event["type"] == "experiment.submitted"]
    assert submitted["pretrained"]["address"].endswith(".pretrained")
    assert (await terminal.succeed("replay", ran["id"]))["equal"] is True
    assert (await terminal.succeed("replay", ran["id"], "--retrain"))["equal"] is True


def _told_together(terminal: Terminal) -> set[str]:
    """Whose spans are in the largest trace: one experiment is one trace, across the bus."""
    assert terminal.federation is not None
    traces: dict[str, set[str]] = {}
    for path in (terminal.federation / "traces").iterdir():
        for line in path.read_text().splitlines():
            traces.setdefault(json.loads(line)["context"]["trace_id"], set()).add(path.stem)
    return max(traces.values(), key=len)


@pytest.mark.timeout(400)
async def test_bad_input_gets_a_clear_error_and_harms_nothing(terminal: Terminal) -> None:
    for edge in HOSPITALS[:2]:
        await ingest(terminal, edge)
    await _plans(terminal)
    await _models(terminal)
    await _data(terminal)
    await _servers(terminal)
    await _policy(terminal)
    await _messages(terminal)
    ran = await terminal.succeed("run", edited(terminal, "good", cycles="1"), "--follow")
    assert ran["state"] == "completed", "something that was refused has done harm"


async def _plans(terminal: Terminal) -> None:
    files = terminal.folder / "files"
    (files / "torn.yaml").write_text("name: [")
    (files / "unknown.yaml").write_text((files / "plan.yaml").read_text() + "epochs: 3\n")
    assert (await terminal.fail("run", "nothing.yaml"))[:2] == (2, "plan.missing")
    assert (await terminal.fail("run", files / "torn.yaml"))[:2] == (2, "plan.yaml")
    status, code, message = await terminal.fail("run", files / "unknown.yaml")
    assert (status, code) == (2, "plan.field")
    assert "epochs is not a field" in message
    other = edited(terminal, "other")
    other.write_text(other.read_text().replace("breast-cancer", "brest-cancer"))
    status, code, message = await terminal.fail("run", other)
    assert (status, code) == (4, "dataset.missing")
    assert "did you mean 'breast-cancer'?" in message
    assert (await terminal.fail("run", edited(terminal, "quorum", seed="7\nquorum: 9")))[:2] == (2, "plan.quorum")


async def _models(terminal: Terminal) -> None:
    source = (terminal.folder / "files" / "model.py").read_text()
    wrong = {
        "model.syntax": "def (",
        "model.import": source.replace("sklearn.linear_model", "sklearn.no_such_module"),
        "model.contract": source.replace('framework = "sklearn"', 'framework = "pytorch"'),
        "model.estimator": source.replace("return LogisticRegression()", "return 3"),
    }
    for code, text in wrong.items():
        (terminal.folder / "files" / "wrong.py").write_text(text)
        assert (await terminal.fail("run", edited(terminal, "wrong", model="wrong.py")))[:2] == (2, code)
    (terminal.folder / "files" / "wrong.py").write_text("x = 1")
    status, code, message = await terminal.fail("run", edited(terminal, "wrong", model="wrong.py"))
    assert (status, code) == (2, "contract.missing")
    assert "has no framework" in message
    assert (await terminal.fail("run", edited(terminal, "wrong", model="gone.py")))[:2] == (2, "model.missing")
    # What only shows beside the data: the edges say so, and the experiment fails with their reason.
    (terminal.folder / "files" / "wrong.py").write_text(wrong["model.import"])
    plan = edited(terminal, "wrong", model="wrong.py")
    status, code, message = await terminal.fail("run", plan, "--no-check", "--follow")
    assert (status, code) == (9, "experiment.failed")
    assert "does not import" in message


async def _data(terminal: Terminal) -> None:
    path = terminal.folder / "wrong.csv"
    path.write_text("a,b,y\n1.5,2,yes\nhigh,3,no\n")
    schema = terminal.folder / "schema.yaml"
    schema.write_text("a: DOUBLE\nb: INT\ny: VARCHAR(3)\n")
    arguments = ("--dataset", "wrong", "--target", "y", "--category", "tabular_classification", "--train", path)
    status, _, message = await terminal.fail("ingest", "--edge", "hospital-c", *arguments, "--schema", schema)
    assert status == 2
    assert "'a'" in message
    assert (await terminal.fail("ingest", "--edge", "hospital-x", *arguments))[0] == 4
    assert not any(d["dataset"] == "wrong" for d in (await terminal.succeed("datasets"))["datasets"])


async def _servers(terminal: Terminal) -> None:
    assert terminal.federation is not None
    assert (await terminal.fail("up", terminal.federation))[:2] == (3, "federation.running")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, message = await terminal.fail("up", "another", "--port", str(port))
    assert status == 3
    assert str(port) in message
    nowhere = Terminal(terminal.folder)
    assert (await nowhere.fail("list"))[:2] == (4, "federation.missing")
    assert (await terminal.fail("log", "nothing"))[:2] == (4, "experiment.missing")


async def _policy(terminal: Terminal) -> None:
    await terminal.succeed("policy", "disallow", "acme", "--reason", "contract ended")
    status, code, message = await terminal.fail("run", edited(terminal, "refused"), "--follow", "--no-check")
    assert (status, code) == (7, "policy.refused")
    assert "allow-list" in message
    await terminal.succeed("policy", "allow", "acme")


async def _messages(terminal: Terminal) -> None:
    """A vendor's credential may publish on its own subjects, whatever the bytes are."""
    assert terminal.federation is not None
    layout = Layout(terminal.federation)
    identity = Identity.load(layout.identity("acme"))
    processes = json.loads(layout.processes.read_text())
    lines = (await _exported(terminal))[1:]
    real = next(line for line in map(json.loads, lines) if ".experiment." in line["subject"])
    forged = {
        "garbage": ({"anything": "at all"}, b"\x00garbage"),
        "signature": (real["headers"], b"\x80"),
        "version": ({**real["headers"], "ce-schemaversion": "99"}, b"\x80"),
    }
    async with JetStreamBroker.connect(Endpoint(layout.read().url, "acme", identity.nkey_seed)) as broker:
        for name, (headers, data) in forged.items():
            subject = f"ev.acme.experiment.{name}.acme.submitted"
            await broker.log(StreamName.EVENTS).append([Message(subject, headers, data)])
    found = await terminal.succeed("verify")
    assert {each["subject"].split(".")[3] for each in found["unproven"]} == set(forged)
    operator = Identity.load(layout.identity("operator"))
    async with (
        JetStreamBroker.connect(Endpoint(layout.read().url, "operator", operator.nkey_seed)) as broker,
        asyncio.timeout(20),
    ):
        dead = set()
        async for letter in broker.log(StreamName.DEADLETTERS).read("dead.>", follow=True):
            dead.add(letter.message.headers["dead-subject"].split(".")[3])
            if dead >= set(forged):
                break
    assert json.loads(layout.processes.read_text()) == processes, "a service died of a message"


async def _exported(terminal: Terminal) -> list[str]:
    await terminal.succeed("export", "now.jsonl")
    return (terminal.folder / "now.jsonl").read_text().splitlines()
