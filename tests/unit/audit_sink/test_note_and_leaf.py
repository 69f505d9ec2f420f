"""Notes against the reference implementation's example; leaves: one form only, and never another one."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from audit_sink.domain import note
from audit_sink.domain.leaf import leaf_bytes
from bus.errors import Integrity, Invalid

# The example of Go's golang.org/x/mod/sumdb/note.
NAME = "PeterNeumann"
KEY = Ed25519PublicKey.from_public_bytes(base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:])
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    f"{TEXT}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_reference_implementations_note() -> None:
    assert note.key_id(NAME, KEY).hex() == "c74f20a3"
    assert note.verify(NOTE, KEY, NAME) == TEXT
    with pytest.raises(Integrity):
        note.verify(NOTE.replace("answer", "Answer"), KEY, NAME)


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "text\n",
        NOTE[:-1],
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("— ", "- "),
        NOTE.replace("nAM=", "nAN="),
        NOTE.replace("x08go/", "x08go_"),
        NOTE.replace("PeterNeumann x", "Peter+Neumann x"),
        NOTE.replace("you", "you\t"),
        f"{TEXT}\n— n AAAA\n",
        f"{TEXT}\n" + "— n AAAAAAA=\n" * 65,
    ],
)
def test_what_is_no_note(malformed: str) -> None:
    with pytest.raises(Invalid):
        note.parse(malformed)


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc"))).map(lambda text: f"{text}\n"),
    st.binary(min_size=32, max_size=32),
)
def test_every_note_that_is_signed_verifies(text: str, seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    if text == "\n":
        return
    assert note.verify(note.sign(text, key, "log"), key.public_key(), "log") == text


def test_the_bytes_of_a_leaf_never_change() -> None:
    """Leaves of logs that exist must stay what they were: a difference here needs a new version of the encoding."""
    leaf = leaf_bytes(7, "ev.acme.é", {"ce-id": "1", "Traceparent": "p", "Nats-Sequence": "7"}, b"\x00data")
    assert leaf == (
        b"muster-leaf-v1\x00"
        + bytes([0, 0, 0, 0, 0, 0, 0, 7])
        + b"\x00\x00\x00\x0aev.acme.\xc3\xa9"
        + b"\x00\x00\x00\x02"
        + b"\x00\x00\x00\x0bTraceparent\x00\x00\x00\x01p"
        + b"\x00\x00\x00\x05ce-id\x00\x00\x00\x011"
        + bytes([0, 0, 0, 0, 0, 0, 0, 5])
        + b"\x00data"
    )


texts = st.text("ab.é", max_size=4)
messages = st.tuples(
    st.integers(1, 3),
    texts,
    st.dictionaries(st.sampled_from(["ce-a", "ce-ab", "traceparent"]), texts),
    st.binary(max_size=4),
)


@given(messages, messages)
def test_different_messages_have_different_leaves(one: tuple, other: tuple) -> None:  # type: ignore[type-arg]
    assert (leaf_bytes(*one) == leaf_bytes(*other)) == (one == other)
