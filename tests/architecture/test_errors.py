"""Every error has a number, a page and a meaning, and keeps them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bus import errors as families
from bus.errors import MusterError, NotFound
from muster.cli.main import app
from muster.errors.catalogue import AREAS, ENTRIES, found, known, of_error, of_failure
from muster.errors.entry import Entry, Who
from training.errors import Category

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "errors"
NUMBERS = Path(__file__).parent / "numbers.txt"
PACKAGES = (
    *("bus", "coordinator", "edge_daemon", "aggregator", "policy_engine"),
    *("ingest", "audit_sink", "training", "muster"),
)
CODE = re.compile(r"[a-z_]+\.[a-z_]+")
FAMILIES = {
    cls.__name__: cls.family
    for cls in vars(families).values()
    if isinstance(cls, type) and issubclass(cls, MusterError)
}
BUILDERS = {"model_error": (0, "model"), "data_error": (0, "data"), "egress_error": (0, "egress")}
"""Functions that take a code: its place, and the kind of what they make."""
POSITIONS = {**BUILDERS, "TrainingError": (1, None), "_limit": (0, "resource"), "_broken": (2, "integrity")}
POSITIONS |= dict.fromkeys(("error", "warning", "Fault"), (0, "report"))
FORMATTED = {"dataset.category", "dataset.target"}
"""Codes that are put together when they are raised."""


Raised = Iterator[tuple[str, str | None]]


def codes_of(node: ast.AST) -> Raised:
    """Codes that a part of the source raises, and as what, as far as it can be seen."""
    if isinstance(node, ast.Call):
        yield from in_call(node)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
        yield from in_table(*node.elts)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if {getattr(target, "id", "") for target in targets} & {"_CODES", "CODE", "OTHER"}:
            yield from in_constant(node.value)


def in_call(node: ast.Call) -> Raised:
    """``Invalid(..., code="a.b")``, ``Failure(category="model", code="a.b")``, ``model_error("a.b", ...)``."""
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    named = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
    if "code" in named:
        yield str(named["code"]), named.get("category", FAMILIES.get(name))
    place, kind = POSITIONS.get(name, (len(node.args), None))
    code = node.args[place] if place < len(node.args) else None
    if isinstance(code, ast.Constant) and CODE.fullmatch(str(code.value)):
        first = node.args[0]
        yield code.value, kind if kind or not isinstance(first, ast.Attribute) else Category[first.attr].value


def in_table(family: ast.expr, code: ast.expr, _text: ast.expr) -> Raised:
    """``(Timeout, "a.b", "...")``."""
    if isinstance(family, ast.Name) and family.id in FAMILIES and isinstance(code, ast.Constant):
        yield str(code.value), FAMILIES[family.id]


def in_constant(value: ast.expr) -> Raised:
    """``CODE = "a.b"``, ``_CODES = {...: "a.b"}``."""
    for each in value.values if isinstance(value, ast.Dict) else [value]:
        if isinstance(each, ast.Constant) and CODE.fullmatch(str(each.value)):
            yield str(each.value), None


@pytest.fixture(scope="module")
def raised() -> dict[str, set[str]]:
    """Code -> kinds, of all that the source raises."""
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path.parent != ROOT / "muster" / "errors" or path.name == "catalogue.py":
                for node in ast.walk(ast.parse(path.read_text())):
                    for code, kind in codes_of(node):
                        found.setdefault(code, set()).update({kind} if kind else ())
    return found


def general(entry: Entry) -> bool:
    return entry in AREAS[-1].entries


def test_every_code_in_the_source_has_a_number(raised: dict[str, set[str]]) -> None:
    assert len(raised) > 200
    missing = {code: sorted(kinds) for code, kinds in raised.items() if known(code) is None}
    assert not missing, "give them numbers in muster/errors, and add these to tests/architecture/numbers.txt"


def test_every_number_is_for_a_code_in_the_source(raised: dict[str, set[str]]) -> None:
    unused = [
        entry.code
        for entry in ENTRIES
        if not general(entry) and entry.code not in raised.keys() | FORMATTED and not entry.code.endswith(".*")
    ]
    assert not unused, "take them out of muster/errors, and write 'retired' behind their line in numbers.txt"


def test_kinds_are_those_of_the_source(raised: dict[str, set[str]]) -> None:
    wrong = {code: sorted(kinds) for code, kinds in raised.items() if not kinds <= set(found(code).kinds)}
    assert not wrong


def test_nothing_is_raised_without_a_code() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        if getattr(node.exc.func, "id", "") in FAMILIES
        if not {keyword.arg for keyword in node.exc.keywords} & {"code", None}
    ]
    assert not bare


def test_families_and_categories_have_a_number_too() -> None:
    assert {*FAMILIES.values(), *(category.value for category in Category)} <= {e.code for e in AREAS[-1].entries}
    allowed = {*FAMILIES.values(), *(category.value for category in Category), "report"}
    assert all(entry.kinds and set(entry.kinds) <= allowed for entry in ENTRIES)


def test_a_number_never_changes() -> None:
    given = {}
    for line in NUMBERS.read_text().splitlines():
        label, code, *retired = line.split()
        assert label not in given, f"{label} was given twice"
        given[label] = code
        assert retired in ([], ["retired"])
        held = [entry.code for entry in ENTRIES if entry.label == label]
        assert held == ([] if retired else [code]), f"{label} is for {code!r}, for ever"
    new = [f"{entry.label} {entry.code}" for entry in ENTRIES if entry.label not in given]
    assert not new, f"add to {NUMBERS}"


def test_numbers_and_codes_are_given_once_and_in_order() -> None:
    assert [code for code, count in Counter(entry.code for entry in ENTRIES).items() if count > 1] == []
    for area in AREAS:
        numbers = [entry.number for entry in area.entries]
        assert numbers == sorted(set(numbers))
        assert len({number // 100 for number in numbers}) == 1
    assert len({area.entries[0].number // 100 for area in AREAS}) == len(AREAS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.label)
def test_every_entry_says_something(entry: Entry) -> None:
    assert 1000 <= entry.number <= 9999
    assert entry.meaning.endswith(".")
    assert entry.causes.endswith(".")
    assert len(entry.step) > 5
    assert not entry.step.endswith(".")
    assert all(command.split()[0] in {"muster", "pip", "iconv"} for command in entry.commands)


def test_commands_exist() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    names |= {group.name for group in app.registered_groups}
    names = {str(name).rstrip("_") for name in names}
    said = [text for entry in ENTRIES for text in (entry.step, entry.causes, *entry.commands)]
    used = {name for text in said for name in re.findall(r"(?:^|')muster ([a-z]+)", text)}
    assert used <= names


def test_documents_that_are_named_exist() -> None:
    named = {path for entry in ENTRIES for path in re.findall(r"docs/[\w/.-]+\.md", entry.step)}
    assert named
    assert all((ROOT / path).is_file() for path in named)


def test_every_number_has_a_page_and_no_page_is_left_over() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {entry.label for entry in ENTRIES}


def test_something_is_found_by_number_and_by_code() -> None:
    for name in ("M1203", "m1203", "1203", " M1203 ", "data.empty"):
        assert found(name).code == "data.empty"
    assert found("jetstream.10052").code == "jetstream.*"
    with pytest.raises(NotFound, match="did you mean"):
        found("data.emty")
    with pytest.raises(NotFound, match="lists all"):
        found("")


def test_what_a_later_release_says_is_explained_too() -> None:
    assert of_failure("model", "model.newer").code == "model"
    assert of_failure("newer", "newer.code").code == "infra"
    assert of_error("conflict", "newer.code").code == "conflict"
    assert of_error("newer", "newer.code").who is Who.AUTHORS


def test_the_command_shows_a_page_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["errors", "M1203"])
    assert shown.exit_code == 0
    for part in ("M1203 data.empty", "There is no row to train on.", "The owner of the data: ingest rows"):
        assert part in shown.stdout
    listed = CliRunner().invoke(app, ["errors", "--json"])
    assert listed.stdout.count('"number": "M') == len(ENTRIES)
    wrong = CliRunner().invoke(app, ["errors", "M0000", "--json"])
    assert wrong.exit_code == 4
    assert '"number": "M5' in wrong.stdout
