"""Which store a body goes to, and how chunks are named in an S3-compatible one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Configuration, Invalid
from bus.events.weights import JETSTREAM, S3, SealedObject
from bus.memory import MemoryBroker
from bus.s3.access import access
from bus.s3.keys import key, prefix, subject
from bus.s3.settings import Credential, S3Settings, stores
from bus.weights.stores import choose
from bus.wire.subjects import matches
from support.people import directory

TOKEN = st.text("abcXYZ019_-", min_size=1, max_size=6)
SUBJECT = st.lists(TOKEN, min_size=3, max_size=8).map(lambda tokens: ".".join(["w", *tokens]))


@pytest.mark.parametrize(
    ("wanted", "size", "from_bytes", "found"),
    [
        ("auto", 10, None, JETSTREAM),
        ("auto", 99, 100, JETSTREAM),
        ("auto", 100, 100, S3),
        ("auto", 0, 0, S3),
        ("jetstream", 10**12, 100, JETSTREAM),
        ("s3", 1, 100, S3),
        ("s3", 1, None, S3),
    ],
)
def test_the_plan_decides_or_the_size(wanted: str, size: int, from_bytes: int | None, found: str) -> None:
    assert choose(wanted, size, from_bytes) == found


def test_a_wish_that_is_not_known() -> None:
    with pytest.raises(Invalid, match="expected auto, jetstream or s3"):
        choose("tape", 1, 1)


def test_what_was_said_before_there_was_a_choice_lies_at_the_broker() -> None:
    old = {"address": "w.a.b.c.d", "digest": "sha256:0", "size_bytes": 1, "chunk_bytes": 1}
    assert SealedObject.model_validate(old).store == JETSTREAM


def test_a_store_that_is_not_there() -> None:
    blobs = MemoryBroker().blobs()
    assert blobs.at(JETSTREAM) is blobs.home
    with pytest.raises(Configuration, match="knows only jetstream") as caught:
        blobs.at(S3)
    assert caught.value.code == "store.unknown"


@given(SUBJECT)
def test_keys_and_subjects_are_one_to_one(name: str) -> None:
    assert subject(key(name)) == name
    assert key(name).split("/")[1] == name.split(".")[2], "the actor comes first"


@given(SUBJECT, st.data())
def test_what_a_filter_selects_lies_below_its_prefix(name: str, data: st.DataObject) -> None:
    tokens = name.split(".")
    filter_ = ".".join(["w", *(data.draw(st.sampled_from([token, "*"])) for token in tokens[1:])])
    if data.draw(st.booleans()):
        kept = data.draw(st.integers(1, len(tokens) - 1))
        filter_ = ".".join([*filter_.split(".")[:kept], ">"])
    assert matches(filter_, name)
    assert key(name).startswith(f"{prefix(filter_)}/")


@pytest.mark.parametrize("wrong", ["w", "w.a.b", "ev.a.b.c", "w.a..c.d", ""])
def test_what_is_not_a_chunk_has_no_key(wrong: str) -> None:
    with pytest.raises(Invalid):
        key(wrong)


@pytest.mark.parametrize("strange", ["made", "w/a", "other/a/b/c/d"])
def test_objects_of_others_are_left_alone(strange: str) -> None:
    assert subject(strange) is None


def test_each_principal_writes_below_one_prefix() -> None:
    known = directory()
    written = {name: access(known[name]).write for name in ("hospital-a", "acme", "aggregator")}  # type: ignore[index]
    assert written == {name: (f"w/{name}/",) for name in written}
    for name in ("coordinator", "policy_engine", "audit_sink"):
        assert access(known[name]) == access(known["policy_engine"])  # type: ignore[index]
        assert not access(known[name]).write  # type: ignore[index]


def settings(path: Path, **changes: object) -> S3Settings:
    content = {"endpoint": "https://s3.example.org", "bucket": "muster", "credentials": path, **changes}
    return S3Settings.model_validate(content)


@pytest.mark.parametrize(
    "endpoint", ["s3.example.org", "ftp://host", "https://user:pw@host", "https://host/bucket", "http://"]
)
def test_an_address_has_one_form(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(ValueError, match="expected http://HOST:PORT"):
        settings(tmp_path, endpoint=endpoint)


@pytest.mark.parametrize("content", [None, "", "{}", '{"access_key_id": "a", "secret_access_key": 5, "hush": "hush"}'])
def test_a_credential_that_is_not_usable_tells_nothing_of_itself(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "s3.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Configuration, match=r"s3\.json") as caught:
        stores(settings(path))
    assert caught.value.code == "s3.credentials"
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None or "hush" not in str(caught.value.__cause__)


def test_a_credential_keeps_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "s3.json"
    Credential.model_validate({"access_key_id": "who", "secret_access_key": "hush"}).save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {"access_key_id": "who", "secret_access_key": "hush"}
    assert "hush" not in repr(Credential.load(path))
    assert list(stores(settings(path))) == [S3]
    assert stores(None) == {}


def test_without_the_library_only_the_store_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    for name in ("bus.s3.blobs", "bus.s3.failures"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(Configuration, match=r"install muster-fl\[s3\]") as caught:
        stores(settings(tmp_path))
    assert caught.value.code == "s3.library"
