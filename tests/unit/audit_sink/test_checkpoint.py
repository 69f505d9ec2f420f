from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit_sink.domain import checkpoint, note
from audit_sink.domain.checkpoint import Checkpoint
from audit_sink.domain.leaf import leaf_bytes
from audit_sink.domain.merkle import EMPTY_ROOT
from bus.errors import Integrity, Invalid

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
HEAD = Checkpoint("audit_sink", 5, bytes(range(32)))


def test_a_checkpoint_is_text_in_the_agreed_form() -> None:
    text = checkpoint.sign(HEAD, KEY, "audit_sink")
    origin, size, root, empty, signature, end = text.split("\n")
    assert (origin, size, empty, end) == ("audit_sink", "5", "", "")
    assert root == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert signature.startswith("— audit_sink ")
    assert checkpoint.verify(text, KEY.public_key(), "audit_sink") == HEAD
    assert checkpoint.parse(text) == HEAD


def test_a_witness_may_add_a_line_that_others_do_not_know() -> None:
    text = checkpoint.sign(HEAD, KEY, "audit_sink")
    witness = checkpoint.sign(HEAD, OTHER, "witness").split("\n")[-2]
    assert checkpoint.verify(f"{text}{witness}\n", KEY.public_key(), "audit_sink") == HEAD
    assert checkpoint.verify(f"{text}{witness}\n", OTHER.public_key(), "witness") == HEAD


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: text.replace("\n5\n", "\n6\n"), Integrity),
        (lambda text: text.replace("AAEC", "AAED"), Integrity),
        (lambda text: text[:-1], Invalid),
        (lambda text: text.replace("\n\n", "\n"), Invalid),
        (lambda text: text.replace("\n5\n", "\n05\n"), Integrity),
    ],
)
def test_a_changed_checkpoint_does_not_verify(change, error: type[Exception]) -> None:
    with pytest.raises(error):
        checkpoint.verify(change(checkpoint.sign(HEAD, KEY, "audit_sink")), KEY.public_key(), "audit_sink")


def test_another_key_did_not_sign_it() -> None:
    with pytest.raises(Integrity, match="not signed by this key"):
        checkpoint.verify(checkpoint.sign(HEAD, KEY, "audit_sink"), OTHER.public_key(), "audit_sink")


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": -1},
        {"size": 2**63},
        {"root": b"short"},
        {"size": 0},
        {"origin": "two\nlines"},
        {"extensions": ("",)},
    ],
)
def test_impossible_checkpoints(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Checkpoint(**{"origin": "o", "size": 5, "root": bytes(32), **wrong})  # type: ignore[arg-type]
    assert Checkpoint("o", 0, EMPTY_ROOT).size == 0


@pytest.mark.parametrize("name", ["", "a b", "a+b"])
def test_impossible_key_names(name: str) -> None:
    with pytest.raises(Invalid):
        note.sign("text\n", KEY, name)


def test_a_leaf_says_all_that_was_published_and_nothing_of_the_broker() -> None:
    headers = {"ce-id": "1", "ce-type": "t", "traceparent": "p"}
    leaf = leaf_bytes(7, "ev.a", headers, b"data")
    assert leaf == leaf_bytes(7, "ev.a", {**dict(reversed(headers.items())), "Nats-Sequence": "7"}, b"data")
    different = {
        leaf_bytes(8, "ev.a", headers, b"data"),
        leaf_bytes(7, "ev.b", headers, b"data"),
        leaf_bytes(7, "ev.a", {**headers, "ce-id": "2"}, b"data"),
        leaf_bytes(7, "ev.a", {"ce-id": "1", "ce-type": "tt", "raceparent": "p"}, b"data"),
        leaf_bytes(7, "ev.a", headers, b"Data"),
        leaf_bytes(7, "ev.ad", headers, b"ata"),
    }
    assert leaf not in different
    assert len(different) == 6
    with pytest.raises(Invalid):
        leaf_bytes(0, "ev.a", headers, b"")
