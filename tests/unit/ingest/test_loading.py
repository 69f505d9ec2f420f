from __future__ import annotations

from dataclasses import replace

import pytest

from bus.errors import Invalid
from bus.events.base import DatasetId, Digest, PrincipalId
from ingest.domain.loading import Aim, LoadedPart, Mode, Step, StoredDataset, after, decide, fit
from ingest.domain.profile import Category, Split, SplitProfile
from ingest.domain.registration import Consent, registration
from ingest.domain.schema import Schema

SCHEMA = Schema.parse({"age": "INT", "kind": "CHAR(1)"})
OTHER = Schema.parse({"kind": "CHAR(1)"})
TRAIN, TEST = Split.TRAIN, Split.TEST


def content(name: str, rows: int = 3) -> SplitProfile:
    return SplitProfile(rows=rows, nulls=(1, 0), classes={"a": rows}, digest=Digest(f"sha256:{name}"))


def aim(mode: Mode, *splits: Split, schema: Schema = SCHEMA, target: str = "kind") -> Aim:
    category = Category.TABULAR_CLASSIFICATION
    return Aim(DatasetId("d"), category, target, schema, frozenset(splits), mode)


def dataset(**splits: SplitProfile) -> StoredDataset:
    contents = {Split(name): each for name, each in splits.items()}
    profile = after(None, aim(Mode.CREATE, *contents), contents)
    parts = {split: (LoadedPart(1, each.rows, each.digest),) for split, each in contents.items()}
    return StoredDataset(profile, SCHEMA, parts, "dataset_d_1", 1)


BOTH = dataset(train=content("train"), test=content("test"))
NEW = {TRAIN: content("new train"), TEST: content("new test")}


def test_a_new_dataset_takes_all_splits_in_a_table_of_its_own() -> None:
    assert decide(None, aim(Mode.CREATE, TRAIN, TEST), NEW) == Step({TRAIN: (), TEST: ()}, new_table=True)


@pytest.mark.parametrize("mode", Mode)
def test_what_is_there_already_is_not_stored_again(mode: Mode) -> None:
    assert decide(BOTH, aim(mode, TRAIN, TEST), BOTH.profile.splits) == Step({})


@pytest.mark.parametrize("mode", Mode)
def test_a_split_that_is_missing_is_added(mode: Mode) -> None:
    stored = dataset(train=content("train"))
    contents = {TRAIN: content("train"), TEST: content("test")}
    assert decide(stored, aim(mode, TRAIN, TEST), contents) == Step({TEST: ()})


def test_creating_refuses_other_rows() -> None:
    with pytest.raises(Invalid, match="the train split of the dataset 'd' exists and holds other rows"):
        decide(BOTH, aim(Mode.CREATE, TRAIN), {TRAIN: NEW[TRAIN]})


def test_appending_goes_behind_and_does_not_repeat_itself() -> None:
    assert decide(BOTH, aim(Mode.APPEND, TRAIN), {TRAIN: NEW[TRAIN]}) == Step({TRAIN: BOTH.parts[TRAIN]})
    parts = {**BOTH.parts, TRAIN: (*BOTH.parts[TRAIN], LoadedPart(3, 3, NEW[TRAIN].digest))}
    assert decide(replace(BOTH, parts=parts), aim(Mode.APPEND, TRAIN), {TRAIN: NEW[TRAIN]}) == Step({})


def test_replacing_one_split_must_fit_the_other() -> None:
    wanted = aim(Mode.REPLACE, TRAIN, schema=OTHER)
    with pytest.raises(Invalid, match="'age' is missing"):
        fit(BOTH, wanted)
    with pytest.raises(Invalid, match="the target is age here, but kind in the dataset"):
        fit(BOTH, aim(Mode.REPLACE, TRAIN, target="age"))


def test_replacing_all_splits_may_change_everything() -> None:
    wanted = aim(Mode.REPLACE, TRAIN, TEST, schema=OTHER)
    assert fit(BOTH, wanted) == wanted
    assert decide(BOTH, wanted, NEW) == Step({TRAIN: (), TEST: ()}, new_table=True)
    assert [column.name for column in after(BOTH, wanted, NEW).columns] == ["kind"]


def test_the_order_of_columns_is_that_of_the_stored_rows() -> None:
    turned = Schema(tuple(reversed(SCHEMA.columns)))
    assert fit(BOTH, aim(Mode.APPEND, TRAIN, schema=turned)).schema == SCHEMA


def test_a_replaced_split_leaves_the_other_as_it_is() -> None:
    profile = after(BOTH, aim(Mode.REPLACE, TEST), {TEST: NEW[TEST]})
    assert profile.splits == {TRAIN: content("train"), TEST: NEW[TEST]}
    assert profile.digest != BOTH.profile.digest


def test_a_registration_holds_counts_of_both_splits() -> None:
    event = registration(BOTH.profile, PrincipalId("hospital-a"), 7, Consent())
    assert event is not None
    assert (event.revision, event.key, event.digest) == (7, "7", BOTH.profile.digest)
    assert {name: (part.rows, part.classes) for name, part in event.splits.items()} == {
        "train": (3, {"a": 3}),
        "test": (3, {"a": 3}),
    }
    assert [(column.name, column.sql_type, column.nulls) for column in event.columns] == [
        ("age", "INT", 2),
        ("kind", "CHAR(1)", 0),
    ]


def test_a_dataset_without_a_training_part_is_not_registered() -> None:
    assert registration(dataset(test=content("test")).profile, PrincipalId("hospital-a"), 1, Consent()) is None
