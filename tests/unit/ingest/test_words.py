"""What an ingest lets others know of the words in columns of text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.events.base import DatasetId, Digest, PrincipalId
from bus.events.datasets import DatasetRegistered
from ingest.domain.loading import joined
from ingest.domain.profile import MAX_WORDS, Category, DatasetProfile, Split, SplitProfile, Tally, describe
from ingest.domain.registration import Consent, registration
from ingest.domain.schema import Schema

SCHEMA = Schema.parse({"age": "INT", "ward": "TEXT", "smoker": "BOOLEAN", "note": "TEXT", "kind": "CHAR(1)"})
WORD = st.one_of(st.none(), st.sampled_from(["north", "south", "west"]))


def counted(*rows: tuple[str | None, bool | None, str]) -> SplitProfile:
    tally = Tally(SCHEMA, "kind", Category.TABULAR_CLASSIFICATION)
    tally.add((number, ward, smoker, note, "k") for number, (ward, smoker, note) in enumerate(rows))
    return tally.profile()


def registered(train: SplitProfile, consent: Consent) -> DatasetRegistered:
    profile = DatasetProfile(
        dataset=DatasetId("d"),
        category=Category.TABULAR_CLASSIFICATION,
        target="kind",
        columns=describe(SCHEMA),
        splits={Split.TRAIN: train, Split.TEST: counted(*[("east", True, "t")] * 9)},
    )
    event = registration(profile, PrincipalId("a"), 1, consent)
    assert event is not None
    return event


def told(consent: Consent) -> dict[str, dict[str, int] | None]:
    rows = (
        [("north", True, str(n)) for n in range(MAX_WORDS + 1)] + [("south", None, "x")] * 4 + [(None, False, "x")] * 5
    )
    return {column.name: column.words for column in registered(counted(*rows), consent).columns}


def test_no_word_is_told_unless_the_owner_says_so() -> None:
    assert set(told(Consent()).values()) == {None}


def test_frequent_words_of_training_rows_are_told() -> None:
    assert told(Consent(words="all")) == {
        "age": None,
        "ward": {"north": MAX_WORDS + 1},
        "smoker": {"false": 5, "true": MAX_WORDS + 1},
        "note": None,
        "kind": None,
    }
    assert told(Consent(words="all", words_min_rows=4))["ward"] == {"north": MAX_WORDS + 1, "south": 4}


def test_the_owner_decides_which() -> None:
    assert set(told(Consent(words="none")).values()) == {None}
    assert told(Consent(words=frozenset({"smoker"})))["ward"] is None
    assert told(Consent(words=frozenset({"smoker"})))["smoker"] is not None


@pytest.mark.parametrize("modifiable", [True, False])
def test_the_owner_says_whether_features_may_be_made(modifiable: bool) -> None:
    assert registered(counted(), Consent(features_modifiable=modifiable)).features_modifiable is modifiable


@given(st.lists(st.tuples(WORD, st.none(), st.just("n"))), st.lists(st.tuples(WORD, st.none(), st.just("n"))))
def test_loads_behind_each_other_are_as_one(old: list[tuple[str, None, str]], new: list[tuple[str, None, str]]) -> None:
    both = joined(counted(*old), counted(*new), Digest("sha256:0"))
    assert both.words == counted(*old, *new).words


def test_too_many_words_together_are_none() -> None:
    first, second = ([(f"{name}{n}", None, "n") for n in range(60)] for name in "ab")
    assert joined(counted(*first), counted(*second), Digest("sha256:0")).words[1] is None


def test_what_an_earlier_release_loaded_has_no_words() -> None:
    old = counted(("north", None, "n")).model_copy(update={"words": ()})
    assert joined(old, counted(("north", None, "n")), Digest("sha256:0")).words == ()
