"""What holds for the repository as a whole."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("bus", "coordinator", "edge_daemon", "aggregator", "policy_engine"),
    *("ingest", "audit_sink", "training", "muster"),
)
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_layers_are_kept() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_command_line_begins_without_frameworks() -> None:
    """Each takes as long to import as all the rest, and every command would wait for it."""
    heavy = "{'sklearn', 'scipy', 'torch', 'tensorflow', 'pandas'}"
    script = f"import sys, muster.cli.main; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_has_a_charter(package: str) -> None:
    for path in (ROOT / package).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path.relative_to(ROOT)} does not say what lives there"


def test_files_and_functions_stay_short() -> None:
    long = [str(path.relative_to(ROOT)) for path in MODULES if len(path.read_text().splitlines()) > 400]
    assert not long
    functions = {
        f"{path.relative_to(ROOT)}:{node.name}": (node.end_lineno or 0) - node.lineno
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: size for name, size in functions.items() if size > 80}


def test_domains_know_neither_clock_nor_chance() -> None:
    wrong = []
    for path in MODULES:
        if "domain" in path.parts:
            text = path.read_text()
            wrong += [f"{path.relative_to(ROOT)}: {word}" for word in (".now(", "time.time", "random.") if word in text]
    assert not wrong


def test_links_between_documents_lead_somewhere() -> None:
    links = [
        (document, target)
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())
    ]
    assert links
    assert not [link for link in links if "://" not in link[1] and not (link[0].parent / link[1]).exists()]


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_code_cites_documents_that_exist() -> None:
    for path in MODULES:
        for cited in re.findall(r"docs/[a-z]+/[\w-]+(?:\.md)?", path.read_text()):
            found = list(ROOT.glob(f"{cited}*"))
            assert found, f"{path.relative_to(ROOT)} cites {cited}"


def test_reference_pages_are_current(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "reference.py", tmp_path], check=True, cwd=ROOT)
    for page in tmp_path.rglob("*.md"):
        name = page.relative_to(tmp_path)
        assert page.read_text() == (ROOT / "docs" / name).read_text(), f"run `make docs`: {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_can_be_imported_alone(package: str) -> None:
    importlib.import_module(package)
