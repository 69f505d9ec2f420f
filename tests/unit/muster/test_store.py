"""How a federation gets an S3-compatible store."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from bus.errors import Configuration, Invalid
from bus.jetstream.server import free_port
from bus.memory import MemoryBroker
from bus.runtime.voice import Voice
from bus.s3.settings import GIB
from edge_daemon.settings import EdgeSettings
from muster.cli.main import app
from muster.client import Client
from muster.doctor import beside
from muster.doctor.facts import Beside, State
from muster.federation.create import create
from muster.federation.store import Store
from muster.submission.submit import read_draft, submit
from support.federation import PLAN
from support.jobs import LOGISTIC
from support.people import directory, identity
from support.site import DATA

URL = "https://s3.example.org/muster?region=eu-1"
EVERYBODY = {"*": {"access_key_id": "all", "secret_access_key": "hush"}}
EDGE = {"e1": {"access_key_id": "e1", "secret_access_key": "hush-e1"}}


def keys(folder: Path, content: object) -> Path:
    path = folder / "keys.json"
    path.write_text(json.dumps(content))
    return path


def test_everybody_gets_settings_and_a_key(tmp_path: Path) -> None:
    store = Store.read(URL, keys(tmp_path, EVERYBODY | EDGE))
    layout = create(tmp_path / "f", edges=("e1", "e2"), vendors=("acme",), store=store)
    for name, user in (("e1", "e1"), ("e2", "all"), ("acme", "all"), ("operator", "all")):
        assert json.loads(layout.s3_credential(name).read_text())["access_key_id"] == user
    settings = EdgeSettings.load(layout.settings("e1"))
    assert settings.s3 is not None
    assert (settings.s3.endpoint, settings.s3.bucket, settings.s3.region) == (
        "https://s3.example.org",
        "muster",
        "eu-1",
    )
    assert settings.s3_from_bytes == GIB
    assert "hush" not in (layout.directory / "federation.json").read_text() + layout.settings("e1").read_text()


def test_a_federation_can_get_one_later(tmp_path: Path) -> None:
    layout = create(tmp_path / "f", edges=("e1",), vendors=("acme",))
    assert "s3" not in yaml.safe_load(layout.settings("e1").read_text())
    assert EdgeSettings.load(layout.settings("e1")).s3_from_bytes is None
    port = layout.read().port
    create(
        tmp_path / "f",
        edges=("e1",),
        vendors=("acme",),
        store=Store.read(URL + "&from_bytes=7", keys(tmp_path, EVERYBODY)),
    )
    assert EdgeSettings.load(layout.settings("e1")).s3_from_bytes == 7
    assert layout.read().port == port
    create(tmp_path / "f", edges=("e1",), vendors=("acme",), port=port + 1)
    assert EdgeSettings.load(layout.settings("e1")).s3_from_bytes == 7, "what is not named stays"


def test_nobody_who_needs_a_key_is_forgotten(tmp_path: Path) -> None:
    store = Store.read(URL, keys(tmp_path, EDGE))
    with pytest.raises(Configuration, match="no S3 key for operator, aggregator, acme"):
        create(tmp_path / "f", edges=("e1",), vendors=("acme",), store=store)


@pytest.mark.parametrize(
    "url",
    [
        "s3.example.org/muster",
        "https://s3.example.org",
        "https://s3.example.org/muster/deeper",
        "https://me:hush@s3.example.org/muster",
        "https://s3.example.org/muster?size=5",
        "https://s3.example.org/muster?region",
        "https://s3.example.org/muster?from_bytes=many",
    ],
)
def test_a_url_of_another_form(tmp_path: Path, url: str) -> None:
    with pytest.raises(Invalid, match="expected https://HOST") as caught:
        Store.read(url, keys(tmp_path, EVERYBODY))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("content", [[], {"e1": "hush"}, {"e1": {"access_key_id": "a"}}])
def test_keys_of_another_form(tmp_path: Path, content: object) -> None:
    with pytest.raises(Configuration, match="is not usable") as caught:
        Store.read(URL, keys(tmp_path, content))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "code"),
    [(("--s3", URL), "s3.url"), (("--s3-keys", "x"), "s3.url"), (("--s3", URL, "--s3-keys", "x"), "s3.keys")],
)
def test_the_options_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["up", "f", *options, "--json"])
    assert json.loads(done.stdout)["error"]["code"] == code
    assert not (tmp_path / "f").exists()


async def test_a_plan_for_a_store_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(LOGISTIC)
    (tmp_path / "plan.yaml").write_text(PLAN + "transport: {store: s3}\n")
    draft = await asyncio.to_thread(read_draft, tmp_path / "plan.yaml")
    broker, vendor = MemoryBroker(), identity("acme")
    client = Client(broker, vendor, directory(), Voice(broker, vendor))
    with pytest.raises(Configuration, match="--s3 URL") as caught:
        await submit(client, draft, DATA, {})
    assert caught.value.code == "store.unknown"
    assert await broker.blobs().subjects("w.>") == frozenset(), "nothing was sent"


@pytest.mark.parametrize(
    ("facts", "states", "words"),
    [
        (None, [], ""),
        (Beside("https://s3/b", keeps=True), [State.OK], "keeps what is written first"),
        (Beside("https://s3/b", keeps=False), [State.WARNING], "replaces"),
        (Beside("https://s3/b", code="s3.away", trouble="it is away"), [State.BROKEN], "it is away"),
        (Beside("https://s3/b", keeps=True, exposed=(Path("/k/s3.json"),)), [State.BROKEN], "/k/s3.json"),
    ],
)
def test_what_the_doctor_makes_of_it(facts: Beside | None, states: list[State], words: str) -> None:
    findings = beside.verdict(facts)
    assert [finding.state for finding in findings] == states
    assert all(words in finding.found for finding in findings)
    assert all(finding.remedy for finding in findings if finding.state is not State.OK)


async def test_the_doctor_tries_a_store_that_is_away(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/muster"
    layout = create(tmp_path / "f", edges=("e1",), vendors=("acme",), store=Store.read(url, keys(tmp_path, EVERYBODY)))
    layout.s3_credential("e1").chmod(0o644)
    found = await beside.tried(layout, layout.read())
    assert found is not None
    assert (found.where, found.code, found.exposed) == (url, "s3.away", (layout.s3_credential("e1"),))
