"""A message's schema cannot change without a new version and a way up to it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from bus.events import CATALOGUE
from replay.compatibility import ADVICE, changes, problems, schemas
from replay.history import SCHEMAS


class Kind(StrEnum):
    ONE = "one"
    TWO = "two"


class More(StrEnum):
    ONE = "one"
    TWO = "two"
    THREE = "three"


class Inside(BaseModel):
    size: int
    note: str = ""


THEN: dict[str, Any] = {
    "name": (str, ...),
    "count": (int, ...),
    "kind": (Kind, ...),
    "inside": (Inside, ...),
    "many": (tuple[Inside, ...], ()),
    "maybe": (Inside | None, None),
    "by_name": (dict[str, int], ...),
    "title": (str, "none"),
}


def model(**fields: Any) -> dict[str, Any]:
    """The schema of THEN with other fields; ``None`` takes one away."""
    kept = {name: field for name, field in {**THEN, **fields}.items() if field is not None}
    return create_model("Sample", **kept).model_json_schema()


def inside(**fields: Any) -> type[BaseModel]:
    kept = {"size": (int, ...), "note": (str, ""), **fields}
    return create_model("Inside", **{name: field for name, field in kept.items() if field is not None})


class Node(BaseModel):
    """A value that holds its own kind."""

    size: int
    below: tuple[Node, ...] = ()


class Leafy(BaseModel):
    size: str
    below: tuple[Leafy, ...] = ()


@pytest.mark.parametrize(
    "now",
    [
        model(),
        model(more=(str, "")),
        model(more=(int | None, None)),
        model(inside=(inside(more=(int, 0)), ...)),
        model(count=(int, ...), name=(str, ...)),
    ],
)
def test_what_extends_is_no_change(now: dict[str, Any]) -> None:
    assert changes(model(), now) == []


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (model(name=None), "name is gone"),
        (model(name=None, called=(str, "")), "name is gone, or has another name"),
        (model(title=None), "title is gone"),
        (model(more=(str, ...)), "more is new and has no default"),
        (model(count=(str, ...)), "count was type integer and is type string"),
        (model(count=(float, ...)), "count was type integer and is type number"),
        (model(count=(int | None, ...)), "count was type integer and is anyOf ['integer', 'null']"),
        (model(title=(str, ...)), "title had a default and has none any more"),
        (model(title=(str, "some")), "title has another default"),
        (model(name=(str, "nobody")), "name has another default"),
        (model(kind=(More, ...)), "kind was enum ['one', 'two'], type string and is enum ['one', 'three', 'two']"),
        (model(by_name=(inside(size=(int, 0)), ...)), "by_name was additionalProperties some, type object"),
        (model(by_name=(dict[str, str], ...)), "by_name[] was type integer"),
        (model(many=(inside(), ())), "many was items some, type array"),
        (model(maybe=(str | None, None)), "maybe was anyOf ['object', 'null'] and is anyOf ['string', 'null']"),
        (model(inside=(inside(size=None, length=(int, 0)), ...)), "inside.size is gone"),
        (model(inside=(inside(unit=(str, ...)), ...)), "inside.unit is new and has no default"),
        (model(many=(tuple[inside(size=(str, ...)), ...], ())), "many[].size was type integer"),
        (model(maybe=(inside(size=(str, ...)) | None, None)), "maybe.size was type integer"),
    ],
)
def test_every_other_change_is_named(now: dict[str, Any], what: str) -> None:
    found = changes(model(), now)
    assert any(what in each for each in found), found


def test_a_value_that_holds_its_own_kind_is_compared_too() -> None:
    assert changes(Node.model_json_schema(), Node.model_json_schema()) == []
    assert any("size was type integer" in each for each in changes(Node.model_json_schema(), Leafy.model_json_schema()))


def test_a_pair_is_compared_part_by_part() -> None:
    then, now = model(pair=(tuple[int, Inside], ...)), model(pair=(tuple[int, inside(size=(str, ...))], ...))
    assert changes(then, then) == []
    assert any("pair.size was type integer" in each for each in changes(then, now))


def book(version: int = 1, **fields: Any) -> dict[str, Any]:
    return {"sample.said": {"version": version, "schema": model(**fields)}}


def test_a_changed_schema_needs_a_version() -> None:
    (problem,) = problems(book(), book(name=None), ())
    assert problem.startswith("sample.said: name is gone")
    assert ADVICE in problem


def test_a_new_version_needs_a_way_up() -> None:
    later = book(version=3, name=None)
    assert problems(book(), later, {("sample.said", 1), ("sample.said", 2)}) == []
    (problem,) = problems(book(), later, {("sample.said", 1)})
    assert "no upcaster from version 2" in problem


def test_a_version_never_falls_and_a_type_never_goes() -> None:
    (problem,) = problems(book(version=2), book(), ())
    assert "2 was released already" in problem
    (problem,) = problems(book(), {}, ())
    assert "sample.said is gone" in problem
    assert problems({}, book(), ()) == []


@pytest.mark.parametrize("recorded", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_todays_messages_extend_those_of_every_release(recorded: Path) -> None:
    found = problems(json.loads(recorded.read_text()), schemas(CATALOGUE), CATALOGUE._upcasters.keys())
    assert not found, f"since release {recorded.stem}:\n" + "\n".join(found)


def test_the_recording_notices_any_field_of_any_message() -> None:
    today = schemas(CATALOGUE)
    for name, entry in today.items():
        for field in entry["schema"]["properties"]:
            cut = json.loads(json.dumps(entry))
            del cut["schema"]["properties"][field]
            assert problems({name: entry}, {name: cut}, ()), f"{name}.{field}"
